namespace OrleansCache.Nix;

/// <summary>What <see cref="NarExamination"/> found.</summary>
public sealed record NarFindings
{
    public required Sha256Hash NarHash { get; init; }

    public required long NarSize { get; init; }

    /// <summary>Why the bytes are no NAR that Nix would read, and where; null when they are one.</summary>
    public string? Malformed { get; init; }

    /// <summary>
    /// In order, each once: hashes that were looked for and occur, and others that stand alone: 32 characters of nix32 between other bytes.
    /// </summary>
    public required StorePathHash[] Occurring { get; init; }

    /// <summary>True when hashes that were not looked for may occur besides <see cref="Occurring"/>.</summary>
    public required bool IsPartial { get; init; }

    /// <summary>Null when the NAR is malformed, or the listing too large or not exact.</summary>
    public NarListing? Listing { get; init; }

    /// <summary>
    /// Of each address, in the order in which they were given: whether the bytes have it; null when that cannot be computed. A malformed
    /// NAR has none.
    /// </summary>
    public required bool?[] ContentAddresses { get; init; }
}
