using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pins;

/// <summary>The contract of pins in process: any number of these on one catalog are right together.</summary>
internal sealed class DirectPins(CacheDirectory caches, PinCatalog catalog, PinWriter writer, UpstreamPaths? upstreams = null,
    Caller? caller = null) : IPins
{
    private const int NamedBoundaries = 100;

    private readonly Caller _caller = caller ?? Caller.Anonymous;

    public IPins As(Caller other) => new DirectPins(caches, catalog, writer, upstreams, other);

    public async Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        PinLimits.Check(request.ExpiresSeconds, request.KeepRevisions);
        var id = caches.IdOf(cache);
        var life = request.ExpiresSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        var answer = await catalog.SetAsync(
            id, name, request.Path, life, request.KeepRevisions, request.NarHash, condition, _caller, operation,
            // Without a NAR hash the digest equals that of a server that does not know NAR hashes.
            Digest("set", name, condition, [request.Path, request.ExpiresSeconds, request.KeepRevisions,
                .. request.NarHash is { } nar ? [nar] : Array.Empty<object>()]), upstreams?.AllowsPins == true, cancellationToken);
        var refusal = answer.Outcome switch
        {
            PinOutcome.Absent => new CacheProblemException(
                ProblemKind.PathNotInCache,
                $"{request.Path}, or something that it needs, is not in this cache (or is just leaving it): push it first.",
                [request.Path.Hash]),
            PinOutcome.Other => new CacheProblemException(
                ProblemKind.Conflict, $"{request.Path} is in this cache with another NAR than {request.NarHash}. The pin was not moved.",
                [request.Path.Hash]),
            PinOutcome.Unread => new CacheProblemException(
                ProblemKind.Conflict,
                $"Another trust group published {request.Path}, or something that it needs, and no server has read those bytes. Push the " +
                    "closure with this pin, or say its NAR hash (pins create --expect sha256:…), or put both tokens into one trust group.",
                [request.Path.Hash]),
            PinOutcome.Boundary => await BoundaryAsync(id, request.Path, cancellationToken),
            PinOutcome.Made or PinOutcome.Moved or PinOutcome.Deleted or PinOutcome.Changed or PinOutcome.Reused or PinOutcome.Unknown
                or PinOutcome.NoRevision or PinOutcome.Stale => Refusal(name, answer),
        };
        return refusal is null ? await SetAsync(id, name, answer, patience, cancellationToken) : throw refusal;
    }

    public async Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition,
        OperationId operation, TimeSpan patience, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var answer = await catalog.RollbackAsync(id, name, request.Revision, condition, _caller, operation,
            Digest("rollback", name, condition, request.Revision), upstreams?.AllowsPins == true, cancellationToken);
        var refusal = answer.Outcome switch
        {
            PinOutcome.Absent => new CacheProblemException(ProblemKind.PathNotInCache,
                $"{answer.Path} is not in this cache any more: that revision of pin '{name}' was no longer kept, and has been " +
                    "collected. Push the path again, or keep more revisions.", [answer.Path!.Value.Hash]),
            PinOutcome.NoRevision => new CacheProblemException(ProblemKind.UnknownPin, request.Revision is { } revision
                ? $"Pin '{name}' has no revision {revision.ToString(CultureInfo.InvariantCulture)} in its history."
                : $"Pin '{name}' has no earlier revision with another path."),
            PinOutcome.Boundary => await BoundaryAsync(id, answer.Path!.Value, cancellationToken),
            PinOutcome.Made or PinOutcome.Moved or PinOutcome.Deleted or PinOutcome.Changed or PinOutcome.Reused or PinOutcome.Unknown
                or PinOutcome.Other or PinOutcome.Unread or PinOutcome.Stale => Refusal(name, answer),
        };
        return refusal is null ? await SetAsync(id, name, answer, patience, cancellationToken) : throw refusal;
    }

    public async Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var answer = await catalog.DeleteAsync(id, name, condition, _caller, operation, Digest("delete", name, condition),
            cancellationToken);
        if (Refusal(name, answer) is { } refusal)
            throw refusal;
        return await writer.WriteAsync(id, name, patience, cancellationToken);
    }

    public Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken) =>
        writer.WriteAsync(caches.IdOf(cache), name, patience, cancellationToken);

    public async Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken) =>
        new() { Pins = await catalog.ListAsync(caches.IdOf(cache), cancellationToken) };

    public async Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        await catalog.ShowAsync(caches.IdOf(cache), name, cancellationToken) ?? throw Unknown(name);

    public Task<PinVersion?> VersionAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        catalog.VersionAsync(caches.IdOf(cache), name, cancellationToken);

    private async Task<PinSet> SetAsync(int cache, PinName name, PinAnswer answer, TimeSpan patience, CancellationToken cancellationToken)
    {
        var written = await writer.WriteAsync(cache, name, patience, cancellationToken);
        return new PinSet(answer.Pin! with { Written = written }, answer.Outcome == PinOutcome.Made);
    }

    private async Task<CacheProblemException> BoundaryAsync(int cache, StorePath path, CancellationToken cancellationToken)
    {
        var boundaries = upstreams is null ? [] : await upstreams.OfClosureAsync(cache, path.Hash, NamedBoundaries, cancellationToken);
        var first = boundaries.Count == 0 ? "something" : boundaries[0].BaseName;
        return new CacheProblemException(ProblemKind.Boundary,
            $"{path} needs {first}{(boundaries.Count > 1 ? " and others" : "")}, which an upstream has and this cache has not, so a pin " +
                $"could not keep it. Push the closure with this pin, or import that from the upstream ('orleans-cache import'), or " +
                "let the cache's pins rely on its upstreams (upstreamPins).", [.. boundaries.Select(b => b.Hash)]);
    }

    /// <summary>The problem that answers a refused operation; null when it was done.</summary>
    private static CacheProblemException? Refusal(PinName name, PinAnswer answer) => answer.Outcome switch
    {
        PinOutcome.Made or PinOutcome.Moved or PinOutcome.Deleted => null,
        PinOutcome.Stale => throw new StalePinException(name),
        PinOutcome.Reused => new(ProblemKind.KeyReused, "This Idempotency-Key belongs to another request about a pin. Use a new key."),
        PinOutcome.Unknown => Unknown(name),
        PinOutcome.Changed => new(ProblemKind.PinChanged, answer.IsGone
            ? $"There is no pin '{name}' (any more)."
            : $"Pin '{name}' is at revision {answer.Pin!.Revision.ToString(CultureInfo.InvariantCulture)}, {answer.Pin.Path}. " +
                $"Look at it, and ask again with that revision if the change is still wanted."),
        PinOutcome.Absent or PinOutcome.Other or PinOutcome.Unread or PinOutcome.Boundary or PinOutcome.NoRevision =>
            throw new UnreachableException($"{answer.Outcome} is no answer to this operation"),
    };

    private static CacheProblemException Unknown(PinName name) => new(ProblemKind.UnknownPin, $"There is no pin '{name}'.");

    /// <summary>Tells one request from another under the same idempotency key.</summary>
    private static byte[] Digest(string kind, PinName name, PinCondition condition, params object?[] rest) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', [kind, name.ToString(), Convert.ToString(condition.Expected, CultureInfo.InvariantCulture),
            .. rest.Select(x => Convert.ToString(x, CultureInfo.InvariantCulture))])));
}

/// <summary>The limits of a pin's request.</summary>
internal static class PinLimits
{
    public const int MaxRevisions = 100;
    private const double MaxSeconds = 100 * 366 * 86_400d;

    /// <exception cref="CacheProblemException">Out of range.</exception>
    public static void Check(double? expiresSeconds, int? keepRevisions)
    {
        if (expiresSeconds is { } seconds && seconds is not (> 0 and <= MaxSeconds))
            throw new CacheProblemException(ProblemKind.BadRequest, "expiresSeconds is more than 0, and at most a hundred years.");
        if (keepRevisions is < 1 or > MaxRevisions)
            throw new CacheProblemException(ProblemKind.BadRequest, $"keepRevisions is 1 to {MaxRevisions}.");
    }
}
