namespace OrleansCache.Nix;

/// <summary>Options for writing a file system's contents as a NAR.</summary>
public sealed record NarWriteOptions
{
    public static NarWriteOptions Default { get; } = new();

    /// <summary>Strip <c>~nix~case~hack~N</c> from names, as Nix does on macOS. Off on Linux, where such a name is only a name.</summary>
    public bool CaseHack { get; init; }

    /// <summary>
    /// Bytes of the buffer that collects one write. A NAR that is smaller by at least <see cref="NarWriter.BufferReserve"/> is one write.
    /// </summary>
    public int BufferSize { get; init; } = 256 << 10;
}

/// <summary>The size and depth of a NAR that was, or would be, written.</summary>
/// <param name="NarSize">Bytes.</param>
/// <param name="MaxDepth">Levels, the root counting as one. Stock Nix refuses more than <see cref="NarFormat.NixMaxDepth"/>.</param>
public readonly record struct NarSummary(long NarSize, int MaxDepth)
{
    /// <summary>True when today's stock Nix would refuse to read the NAR.</summary>
    public bool IsTooDeepForNix => MaxDepth > NarFormat.NixMaxDepth;
}
