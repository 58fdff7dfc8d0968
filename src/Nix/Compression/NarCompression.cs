namespace OrleansCache.Nix;

/// <summary>The compression of a NAR file: its name in a narinfo, and the ending of the file's name.</summary>
public static class NarCompression
{
    private const string Nar = ".nar";

    private static readonly (string Name, string Ending)[] Known = [("none", ""), ("zstd", ".zst"), ("xz", ".xz"), ("bzip2", ".bz2"),
        ("lzip", ".lzip"), ("lz4", ".lz4"), ("br", ".br")];

    /// <summary>
    /// The <c>Compression</c> of a file by its name (<c>….nar</c> and one of Nix's endings); null when no NAR has such a name.
    /// </summary>
    public static string? OfFile(ReadOnlySpan<char> file)
    {
        foreach (var (name, ending) in Known)
        {
            if (file.EndsWith(ending) && file[..^ending.Length].EndsWith(Nar))
                return name;
        }

        return null;
    }

    /// <summary>Reads the NAR out of a compressed file.</summary>
    /// <param name="compression">The name that a narinfo has.</param>
    /// <param name="file">Read to its end; stays open. An uncompressed file is returned itself.</param>
    /// <returns>Null when this program cannot decompress it: <c>lzip</c>, <c>lz4</c>, <c>br</c> and what Nix does not know.</returns>
    public static Stream? Decompress(string compression, Stream file) => compression switch
    {
        "none" => file,
        "zstd" => new ZstdDecompressStream(file, leaveOpen: true),
        "xz" => new XzDecompressStream(file),
        "bzip2" => new Bzip2DecompressStream(file),
        _ => null,
    };
}
