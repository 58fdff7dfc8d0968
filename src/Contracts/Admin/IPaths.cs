using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Single paths, as the catalog says. Advice only: nothing is held.</summary>
public interface IPaths
{
    /// <summary>
    /// A path with what it needs, who needs it, and who brings it. Reads the whole table for who needs it: for people, not for loops.
    /// </summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.UnknownPath"/>: this cache has and had no such path.</exception>
    Task<PathLife> GetAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken);
}

/// <summary>A path as it is now. What it says of its contents is absent while it is <c>gone</c>.</summary>
public sealed record PathLife
{
    public required StorePath Path { get; init; }

    /// <summary><c>gone</c>, <c>publishing</c>, <c>live</c>, <c>condemned</c> or <c>deleting</c>.</summary>
    public required string State { get; init; }

    /// <summary>Since when nothing keeps it.</summary>
    public DateTimeOffset? CondemnedAt { get; init; }

    /// <summary>On whose word it is there; <c>legacy</c>: it is from before there were publishers.</summary>
    public string? Publisher { get; init; }

    /// <summary>The publisher's trust group.</summary>
    public string? Group { get; init; }

    /// <summary>The highest rank of those who declared just this.</summary>
    public int? Rank { get; init; }

    /// <summary>Since when it has these contents; absent when that was not recorded yet.</summary>
    public DateTimeOffset? Declared { get; init; }

    /// <summary>When it was last pushed as the root of a closure.</summary>
    public DateTimeOffset? Pushed { get; init; }

    public PathNar? Nar { get; init; }

    /// <summary>All paths that it refers to, itself too where it does.</summary>
    public IReadOnlyList<StorePath> References { get; set; } = [];

    /// <summary>References that an upstream has, and this cache has not.</summary>
    public IReadOnlyList<StorePath> Boundaries { get; set; } = [];

    /// <summary>The number of other paths that refer to it.</summary>
    public long ReferrerCount { get; set; }

    /// <summary>The first hundred of them.</summary>
    public IReadOnlyList<StorePath> Referrers { get; set; } = [];

    /// <summary>Pins on this very path, at most a hundred. What else keeps it: see <see cref="WhyAnswer"/>.</summary>
    public IReadOnlyList<PathPin> Pins { get; set; } = [];

    /// <summary>Open pushes that upload its NAR now, at most a hundred.</summary>
    public IReadOnlyList<PathUpload> Uploads { get; set; } = [];

    /// <summary>How many open pushes declare it, upload nothing for it, and have no NAR that they may use.</summary>
    public int Waiting { get; set; }
}

/// <summary>The NAR of a path.</summary>
public sealed record PathNar
{
    public required Sha256Hash Hash { get; init; }

    public required long Size { get; init; }

    /// <summary>The SHA-256 of the file, where it is known.</summary>
    public Sha256Hash? FileHash { get; init; }

    public long? FileSize { get; init; }

    /// <summary>The key in the bucket.</summary>
    public string? Key { get; init; }

    /// <summary>The state of the object, such as <c>live</c>.</summary>
    public string? State { get; init; }

    /// <summary>What a server knows of its bytes: see <see cref="WhyAnswer.Verification"/>.</summary>
    public required string Verification { get; init; }

    /// <summary>When a server has last read it in the store; absent when none has, or it was read on its way in.</summary>
    public DateTimeOffset? VerifiedAt { get; init; }
}

/// <param name="Name">The pin.</param>
/// <param name="Revision">Its newest revision with this path.</param>
/// <param name="Current">It is the pin's path now; else a revision that is kept for a rollback.</param>
public sealed record PathPin(PinName Name, long Revision, bool Current);

/// <param name="Publisher">Who uploads.</param>
/// <param name="Since">Since when.</param>
/// <param name="NarSize">The size that was declared.</param>
public sealed record PathUpload(string Publisher, DateTimeOffset Since, long NarSize);
