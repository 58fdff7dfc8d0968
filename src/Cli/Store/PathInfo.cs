using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>What Nix's database records of one valid path.</summary>
internal sealed record PathInfo
{
    public required StorePath Path { get; init; }

    public required Sha256Hash NarHash { get; init; }

    /// <summary>Bytes; 0 when Nix has recorded none, as for paths that old versions registered.</summary>
    public required long NarSize { get; init; }

    public required IReadOnlyList<StorePathHash> References { get; init; }

    public StorePath? Deriver { get; init; }

    /// <summary>In the form of narinfos, whatever form Nix printed.</summary>
    public string? Ca { get; init; }

    public IReadOnlyList<string> Signatures { get; init; } = [];
}
