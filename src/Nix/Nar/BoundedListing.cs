namespace OrleansCache.Nix;

/// <summary>The listing of a NAR that others made: given up, and its memory with it, when it grows too large or is not exact.</summary>
internal sealed class BoundedListing(long maxSize) : INarHandler
{
    private NarListingBuilder? _builder = new();

    private INarHandler? Handler => _builder;

    /// <returns>Null when it was given up.</returns>
    public NarListing? Build(NarSummary summary) => _builder?.Build(summary);

    public void BeginDirectory() => Handler?.BeginDirectory();

    public void EndDirectory() => Handler?.EndDirectory();

    public void BeginEntry(ReadOnlySpan<byte> name)
    {
        Handler?.BeginEntry(name);
        // The builder remembers names with U+FFFD, and their number has no bound.
        if (_builder is { } builder && (builder.Size > maxSize || !builder.IsExact || name.IndexOf(NarListingBuilder.Replacement) >= 0))
            _builder = null;
    }

    public void EndEntry() => Handler?.EndEntry();

    public void BeginFile(bool executable, long size, long narOffset) => Handler?.BeginFile(executable, size, narOffset);

    public void FileData(ReadOnlySpan<byte> data)
    {
    }

    public void EndFile() => Handler?.EndFile();

    public void Symlink(ReadOnlySpan<byte> target)
    {
        Handler?.Symlink(target);
        if (_builder is { IsExact: false })
            _builder = null;
    }
}
