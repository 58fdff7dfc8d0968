namespace OrleansCache.Nix;

/// <summary>
/// Receives a NAR's contents in order. Spans are valid during the call only; names and targets are bytes without NUL. A directory's entries
/// come between its begin and end, each node between the begin and end of its entry.
/// </summary>
public interface INarHandler
{
    void BeginDirectory();

    void EndDirectory();

    void BeginEntry(ReadOnlySpan<byte> name);

    void EndEntry();

    /// <param name="executable">Whether its owner may execute it.</param>
    /// <param name="size">Bytes of the contents.</param>
    /// <param name="narOffset">Where in the NAR the contents begin.</param>
    void BeginFile(bool executable, long size, long narOffset);

    /// <summary>The next piece of the contents. A caller that does not read contents never calls it.</summary>
    void FileData(ReadOnlySpan<byte> data);

    void EndFile();

    void Symlink(ReadOnlySpan<byte> target);
}
