namespace OrleansCache.Nix;

/// <summary>
/// Told of a NAR's contents in order. Spans are valid during the call only; names and targets are bytes without NUL.
/// A directory's entries come between its begin and end, each node between the begin and end of its entry.
/// </summary>
public interface INarHandler
{
    void BeginDirectory();

    void EndDirectory();

    void BeginEntry(ReadOnlySpan<byte> name);

    void EndEntry();

    /// <param name="executable">By its owner.</param>
    /// <param name="size">Bytes of the contents.</param>
    /// <param name="narOffset">Where in the NAR the contents begin.</param>
    void BeginFile(bool executable, long size, long narOffset);

    /// <summary>The next piece of the contents; not called at all by who does not read them.</summary>
    void FileData(ReadOnlySpan<byte> data);

    void EndFile();

    void Symlink(ReadOnlySpan<byte> target);
}
