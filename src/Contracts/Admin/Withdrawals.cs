using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Withdraws paths with all that refers to them. Exactly one of <see cref="Paths"/> and <see cref="By"/>.</summary>
public sealed record EvictRequest
{
    public IReadOnlyList<StorePathHash>? Paths { get; init; }

    /// <summary>
    /// All that this publisher has published, such as <c>token:7</c>; <c>legacy</c>: what is from before there were publishers.
    /// </summary>
    public string? By { get; init; }

    /// <summary>With <see cref="By"/>: only what was published from this time on.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Other paths with the same NAR go too, and the NAR is refused under any path.</summary>
    public bool Nar { get; init; }

    /// <summary>Kept with the bars.</summary>
    public string? Reason { get; init; }

    /// <summary>Lists what would go, and changes nothing.</summary>
    public bool DryRun { get; init; }
}

public enum EvictionState
{
    /// <summary>A dry run: nothing was done.</summary>
    Planned,
    Running,

    /// <summary>The paths are gone, and so are the NARs of the named ones, unless another path has one.</summary>
    Done,
}

/// <summary>What an eviction withdraws.</summary>
public sealed record Eviction
{
    /// <summary>Absent for a dry run.</summary>
    public long? Id { get; init; }

    public required EvictionState State { get; init; }

    /// <summary>The number of paths.</summary>
    public required int Total { get; init; }

    /// <summary>The first thousand paths.</summary>
    public required IReadOnlyList<EvictedPath> Paths { get; init; }

    /// <summary>Pins to one of these paths: they keep it, and are broken until they are set again.</summary>
    public required IReadOnlyList<BrokenPin> Pins { get; init; }

    /// <summary>Commits under way that name some of the paths: they end first.</summary>
    public required IReadOnlyList<string> WaitsFor { get; init; }

    /// <summary>While it runs: what the store refuses to delete at the moment, and what to do.</summary>
    public string? Refusal { get; init; }
}

/// <param name="Path">The path.</param>
/// <param name="Publisher">The publisher on whose word it is there.</param>
/// <param name="Published">When it was published; absent when that was not recorded yet.</param>
/// <param name="Because">Why it goes.</param>
public sealed record EvictedPath(StorePath Path, string Publisher, DateTimeOffset? Published, EvictionCause Because);

public enum EvictionCause
{
    /// <summary>The request names it.</summary>
    Selected,

    /// <summary>It has the NAR of a named path.</summary>
    Nar,

    /// <summary>It refers to a path that goes.</summary>
    Reference,
}

public sealed record BrokenPin(PinName Name, StorePath Path);

/// <summary>A page of what a publisher has published.</summary>
public sealed record PublishedPaths
{
    public required IReadOnlyList<PublishedPath> Paths { get; init; }

    /// <summary>The <c>after</c> of the next page; absent on the last.</summary>
    public string? Next { get; init; }
}

public sealed record PublishedPath
{
    public required StorePath Path { get; init; }

    public required string Publisher { get; init; }

    public DateTimeOffset? Published { get; init; }

    /// <summary><c>publishing</c>, <c>live</c> or <c>condemned</c>.</summary>
    public required string State { get; init; }

    public required Sha256Hash NarHash { get; init; }

    public required long NarSize { get; init; }
}

/// <summary>A bar: content that may not come back.</summary>
public sealed record Bar
{
    public required long Id { get; init; }

    public required StorePath Path { get; init; }

    public required Sha256Hash NarHash { get; init; }

    /// <summary>The NAR is refused under any path.</summary>
    public required bool Nar { get; init; }

    public string? Reason { get; init; }

    public required string CreatedBy { get; init; }

    public required DateTimeOffset Created { get; init; }

    public DateTimeOffset? Lifted { get; init; }

    public string? LiftedBy { get; init; }
}

/// <summary>Bars, newest first.</summary>
public sealed record BarList
{
    public required IReadOnlyList<Bar> Bars { get; init; }
}

public sealed class EvictionStateConverter() : JsonStringEnumConverter<EvictionState>(JsonNamingPolicy.CamelCase);

public sealed class EvictionCauseConverter() : JsonStringEnumConverter<EvictionCause>(JsonNamingPolicy.CamelCase);
