namespace OrleansCache.Nix;

/// <summary>How file systems become NARs.</summary>
public sealed record NarWriteOptions
{
    public static NarWriteOptions Default { get; } = new();

    /// <summary>Strip <c>~nix~case~hack~N</c> from names, as Nix does on macOS. Off on Linux, where such a name is only a name.</summary>
    public bool CaseHack { get; init; }

    /// <summary>
    /// Bytes of the buffer that collects what is written at once. A NAR that is at least <see cref="NarWriter.BufferReserve"/> smaller is
    /// one write.
    /// </summary>
    public int BufferSize { get; init; } = 256 << 10;
}

/// <summary>What was written, or would be.</summary>
/// <param name="NarSize">Bytes.</param>
/// <param name="MaxDepth">Levels, the root counting as one. Stock Nix refuses more than <see cref="NarFormat.NixMaxDepth"/>.</param>
public readonly record struct NarSummary(long NarSize, int MaxDepth)
{
    /// <summary>Would today's stock Nix refuse to read it?</summary>
    public bool IsTooDeepForNix => MaxDepth > NarFormat.NixMaxDepth;
}
