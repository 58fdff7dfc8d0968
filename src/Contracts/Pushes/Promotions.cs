using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Takes closures over from another cache: those of <see cref="Paths"/>, or that of a pin.</summary>
public sealed record PromoteRequest
{
    /// <summary>The source's name.</summary>
    public required string From { get; init; }

    /// <summary>The top paths, at most 1,000.</summary>
    public IReadOnlyList<StorePathHash> Paths { get; set; } = [];

    /// <summary>A pin of the source, whose path is promoted; instead of <see cref="Paths"/>.</summary>
    public PinName? Pin { get; init; }

    /// <summary>Changes nothing, and says what would be done.</summary>
    public bool DryRun { get; set; }
}

/// <summary>How far a promotion is.</summary>
public sealed record PromotionProgress
{
    /// <summary>NARs that the store has copied.</summary>
    public required int Copied { get; init; }

    /// <summary>NARs that it has to copy, as far as is known.</summary>
    public required int Of { get; init; }

    /// <summary>The bytes of those that it has copied, compressed.</summary>
    public required long Bytes { get; init; }

    /// <summary>What the promotion waits for; absent: it copies.</summary>
    public string? WaitsFor { get; init; }
}

/// <summary>What a promotion has done; of a dry run, what it would do.</summary>
public sealed record Promotion
{
    /// <summary>The top paths.</summary>
    public required IReadOnlyList<StorePath> Roots { get; init; }

    /// <summary>The paths of their closures.</summary>
    public required int Paths { get; init; }

    /// <summary>Those that the target had.</summary>
    public required int Present { get; init; }

    /// <summary>NARs that the store has copied. Others were there already, or another push has brought them.</summary>
    public required int Copied { get; init; }

    /// <summary>Their bytes, compressed.</summary>
    public required long Bytes { get; init; }

    /// <summary>Paths that are new in the target.</summary>
    public required int Published { get; init; }

    /// <summary>Paths that the target has with other contents, and keeps.</summary>
    public IReadOnlyList<StorePathHash> Conflicts { get; set; } = [];

    /// <summary>The names of the keys that sign in the target.</summary>
    public IReadOnlyList<string> Keys { get; set; } = [];

    public bool DryRun { get; init; }
}
