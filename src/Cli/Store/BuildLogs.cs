using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// Finds and reads the logs that Nix kept of local builds: <c>drvs/xx/rest-of-the-name.drv</c>, or the same with <c>.bz2</c>.
/// </summary>
internal sealed class BuildLogs(string root)
{
    /// <summary>Longer logs are not sent: the server takes 32 MiB, compressed.</summary>
    public const int MaxBytes = 512 << 20;

    /// <summary>The log's file; null when this machine did not build the derivation, or keeps no logs.</summary>
    public string? Find(StorePath drv)
    {
        var name = drv.BaseName;
        var file = Path.Combine(root, name[..2], name[2..]);
        return File.Exists(file + ".bz2") ? file + ".bz2" : File.Exists(file) ? file : null;
    }

    /// <summary>The logs of a closure. Of several outputs of one derivation, the first gets the log.</summary>
    public Dictionary<StorePath, (StorePathHash Path, string File)> Of(IEnumerable<PathInfo> closure)
    {
        var logs = new Dictionary<StorePath, (StorePathHash, string)>();
        if (!Directory.Exists(root))
            return logs;
        foreach (var info in closure)
        {
            if (info.Deriver is { } drv && !logs.ContainsKey(drv) && Find(drv) is { } file)
                logs.Add(drv, (info.Path.Hash, file));
        }

        return logs;
    }

    /// <summary>The log as text.</summary>
    /// <exception cref="InvalidDataException">The log is damaged (a build may be running) or too long.</exception>
    /// <exception cref="IOException">The log cannot be read, or cannot be decompressed here.</exception>
    public static byte[] Read(string file)
    {
        using var stream = File.OpenRead(file);
        if (!file.EndsWith(".bz2", StringComparison.Ordinal))
            return Read(stream, MaxBytes);
        using var text = new Bzip2DecompressStream(stream);
        return Read(text, MaxBytes);
    }

    internal static byte[] Read(Stream stream, int maxBytes)
    {
        using var text = new MemoryStream();
        var buffer = new byte[64 << 10];
        try
        {
            while (stream.Read(buffer) is > 0 and var count)
            {
                if (text.Length + count > maxBytes)
                    throw new InvalidDataException($"it is longer than {maxBytes >> 20} MiB");
                text.Write(buffer, 0, count);
            }
        }
        catch (DllNotFoundException)
        {
            throw new IOException("libbz2.so.1 cannot be loaded: install it (Debian: libbz2-1.0)");
        }

        return text.ToArray();
    }
}
