using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

internal sealed record ImportOptions
{
    /// <summary>What is wanted, with all that it needs; null: all that the source lists.</summary>
    public IReadOnlyList<StorePathHash>? Roots { get; init; }

    /// <summary>The pins that are taken over; null: all.</summary>
    public IReadOnlyList<PinName>? Pins { get; init; } = [];

    /// <summary>A pin that is on another path in the cache is moved.</summary>
    public bool MovePins { get; init; }

    public bool Logs { get; init; } = true;

    public bool Realisations { get; init; } = true;

    /// <summary>Nothing is changed.</summary>
    public bool DryRun { get; init; }
}
