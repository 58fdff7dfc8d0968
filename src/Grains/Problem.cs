using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>A <see cref="CacheProblemException"/> between silos.</summary>
/// <param name="Kind">The name of a <see cref="ProblemKind"/>: names outlive numbers.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.Problem")]
public sealed record Problem([property: Id(0)] string Kind, [property: Id(1)] string Message, [property: Id(2)] string[] Paths)
{
    public static Problem Of(CacheProblemException e) => new(e.Kind.ToString(), e.Message, [.. (e.Paths ?? []).Select(p => p.ToString())]);

    /// <summary>A kind of a newer version, unknown here, counts as no answer.</summary>
    public CacheProblemException ToException() => new(
        Enum.TryParse<ProblemKind>(Kind, out var kind) ? kind : ProblemKind.Unavailable, Message,
        Paths.Length == 0 ? null : [.. Paths.Select(p => StorePathHash.TryParse(p, out var hash) ? hash
            : throw new FormatException($"'{p}' is no store path hash"))]);
}
