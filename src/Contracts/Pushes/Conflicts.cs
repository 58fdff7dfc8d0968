using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Paths of a cache's stages that do not go to the cache by themselves, by hash.</summary>
public sealed record ConflictList
{
    public required IReadOnlyList<PathConflict> Conflicts { get; init; }

    /// <summary>What to ask for the rest after; absent: this is all.</summary>
    public StorePathHash? After { get; init; }
}

/// <summary>A path of one stage or several.</summary>
public sealed record PathConflict
{
    public required StorePath Path { get; init; }

    public required ConflictReason Reason { get; init; }

    /// <summary>How many say the same, of the content that most say.</summary>
    public required int Votes { get; init; }

    /// <summary>How many it takes; absent: no stage votes.</summary>
    public int? Needed { get; init; }

    /// <summary>Each content that there is of it, in the stages and in the cache.</summary>
    public required IReadOnlyList<PathContent> Contents { get; init; }
}

/// <summary>Why a path does not go by itself.</summary>
public enum ConflictReason
{
    /// <summary>There is more than one content of it.</summary>
    Differs,

    /// <summary>Too few say the same.</summary>
    Votes,

    /// <summary>It is agreed on, and goes as soon as all that it needs does.</summary>
    Waits,

    /// <summary>The cache has a bar on this content.</summary>
    Barred,

    /// <summary>Who published it is blocked in the stage.</summary>
    Blocked,
}

/// <summary>What a path consists of, and who says so.</summary>
public sealed record PathContent
{
    /// <summary>After the hash and the hyphen.</summary>
    public required string Name { get; init; }

    public required Sha256Hash NarHash { get; init; }

    public required long NarSize { get; init; }

    /// <summary>The content address.</summary>
    public string? Ca { get; init; }

    public required IReadOnlyList<StorePath> References { get; init; }

    /// <summary>The stages that have it, and the cache itself.</summary>
    public required IReadOnlyList<string> Caches { get; init; }

    /// <summary>Who published it in each of them; empty: it is from before there were publishers.</summary>
    public required IReadOnlyList<string> Publishers { get; init; }

    /// <summary>A server has read its NAR.</summary>
    public required bool Verified { get; init; }
}

public sealed class ConflictReasonConverter() : JsonStringEnumConverter<ConflictReason>(JsonNamingPolicy.KebabCaseLower);
