using System.Globalization;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Common;

/// <summary>The limits of a publisher, or of a whole trust group, in a cache. 0: no limit.</summary>
public sealed record QuotaLimits
{
    /// <summary>Pushes that are open at one time.</summary>
    public long OpenPushes { get; init; }

    /// <summary>NAR bytes that open pushes have grants for.</summary>
    public long ClaimedBytes { get; init; }

    /// <summary>Bytes of published NARs, with those that open pushes upload.</summary>
    public long StoredBytes { get; init; }

    /// <summary>Closures that are kept.</summary>
    public long Roots { get; init; }

    internal long[] ToArray() => [OpenPushes, ClaimedBytes, StoredBytes, Roots];
}

/// <summary>The quotas of each publisher, and of each trust group.</summary>
public sealed record Quotas
{
    private static readonly (string Name, string Advice)[] Kinds =
    [
        ("open pushes", "Commit or abort one, or wait until one has lapsed."),
        ("bytes that open pushes upload", "Commit a push first, or push a smaller closure."),
        ("stored bytes", "What no closure of yours needs any more goes with the next collections."),
        ("kept closures", "Older ones go with the next collections."),
        ("stored bytes", "Until a collection has freed some, it takes nothing new; what it has can be read and pinned."),
        ("paths", "Until a collection has freed some, it takes nothing new; what it has can be read and pinned."),
    ];

    public QuotaLimits Publisher { get; init; } = new();

    public QuotaLimits Group { get; init; } = new();

    /// <summary>The cache has a quota of its own, which the catalog knows.</summary>
    public bool OfCache { get; init; }

    /// <summary>True when a quota needs figures that the housekeeper counts.</summary>
    internal bool NeedCounting => Publisher.StoredBytes + Publisher.Roots + Group.StoredBytes + Group.Roots > 0;

    /// <summary>As <c>quotas.sql</c> takes them; null: none is set.</summary>
    internal long[]? ToArray() => ((long[])[.. Publisher.ToArray(), .. Group.ToArray()]) is var all
        && (OfCache || Array.Exists(all, limit => limit > 0)) ? all : null;

    /// <summary>The answer of a function of the catalog, when it says that a quota is used up.</summary>
    internal static string? TextOf(string answer) => answer.StartsWith("quota ", StringComparison.Ordinal) ? answer : null;

    /// <summary>Throws when a function of the catalog has answered that a quota is used up; null is no such answer.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.QuotaExceeded"/>.</exception>
    internal static void Check(string? answer, Caller caller)
    {
        if (answer is null)
            return;
        if (answer.Split(' ') is not ["quota", var whose, var number, var limitText, var usedText, var moreText])
            throw new InvalidOperationException($"The catalog's function quota_exceeded has answered '{answer}'.");
        var kind = Kinds[int.Parse(number, CultureInfo.InvariantCulture) - 1];
        var (limit, used, more) = (Number(limitText), Number(usedText), Number(moreText));
        var holder = whose switch
        {
            "cache" => "this cache",
            "group" => $"the trust group '{caller.Group}'",
            _ => $"the publisher '{caller.Publisher}'",
        };
        throw new CacheProblemException(ProblemKind.QuotaExceeded, string.Create(CultureInfo.InvariantCulture,
            $"The quota of {kind.Name} of {holder} is {limit:N0}: {used:N0} are used, {decimal.Max(limit - used, 0):N0} are left, " +
            $"and this needs {more:N0} more. {kind.Advice} Or ask the operator for more."));

        static decimal Number(string text) => decimal.Parse(text, CultureInfo.InvariantCulture);
    }
}
