using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Pins;

/// <summary>The contract of pins in process: any number of these on one catalog are right together.</summary>
internal sealed class DirectPins(CacheDirectory caches, PinCatalog catalog, PinWriter writer, Caller? caller = null) : IPins
{
    private readonly Caller _caller = caller ?? Caller.Anonymous;

    public IPins As(Caller other) => new DirectPins(caches, catalog, writer, other);

    public async Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        PinLimits.Check(request.ExpiresSeconds, request.KeepRevisions);
        var id = caches.IdOf(cache);
        var life = request.ExpiresSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        var outcome = await catalog.SetAsync(
            id, name, request.Path, life, request.KeepRevisions, request.NarHash, condition, _caller, operation,
            Digest("set", name, condition, request.Path, request.ExpiresSeconds, request.KeepRevisions, request.NarHash),
                cancellationToken);
        return outcome.Result switch
        {
            "absent" => throw new CacheProblemException(
                ProblemKind.PathNotInCache,
                    $"{request.Path}, or something that it needs, is not in this cache (or is just leaving it): push it first.",
                    [request.Path.Hash]),
            "other" => throw new CacheProblemException(
                ProblemKind.Conflict, $"{request.Path} is in this cache with another NAR than {request.NarHash}. The pin was not moved.",
                    [request.Path.Hash]),
            "unread" => throw new CacheProblemException(
                ProblemKind.Conflict,
                $"Another trust group published {request.Path}, or something that it needs, and no server has read those bytes. Push the " +
                    "closure with this pin, or say its NAR hash (pins create --expect sha256:…), or put both tokens into one trust group.",
                [request.Path.Hash]),
            _ => await SetAsync(id, name, outcome, patience, cancellationToken),
        };
    }

    public async Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition,
        OperationId operation, TimeSpan patience, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var outcome = await catalog.RollbackAsync(id, name, request.Revision, condition, _caller, operation,
            Digest("rollback", name, condition, request.Revision), cancellationToken);
        return outcome.Result switch
        {
            "absent" => throw new CacheProblemException(ProblemKind.PathNotInCache,
                $"{outcome.Path} is not in this cache any more: that revision of pin '{name}' was no longer kept, and has been " +
                    "collected. Push the path again, or keep more revisions.", [outcome.Path!.Value.Hash]),
            "no-revision" => throw new CacheProblemException(ProblemKind.UnknownPin, request.Revision is { } revision
                ? $"Pin '{name}' has no revision {revision.ToString(CultureInfo.InvariantCulture)} in its history."
                : $"Pin '{name}' has no earlier revision with another path."),
            _ => await SetAsync(id, name, outcome, patience, cancellationToken),
        };
    }

    public async Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var outcome = await catalog.DeleteAsync(id, name, condition, _caller, operation, Digest("delete", name, condition),
            cancellationToken);
        ThrowUnlessDone(name, outcome);
        return await writer.WriteAsync(id, name, patience, cancellationToken);
    }

    public Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken) =>
        writer.WriteAsync(caches.IdOf(cache), name, patience, cancellationToken);

    public async Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken) =>
        new() { Pins = await catalog.ListAsync(caches.IdOf(cache), cancellationToken) };

    public async Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        await catalog.ShowAsync(caches.IdOf(cache), name, cancellationToken) ?? throw Unknown(name);

    private async Task<PinSet> SetAsync(int cache, PinName name, PinOutcome outcome, TimeSpan patience, CancellationToken cancellationToken)
    {
        ThrowUnlessDone(name, outcome);
        var written = await writer.WriteAsync(cache, name, patience, cancellationToken);
        return new PinSet(outcome.Pin! with { Written = written }, outcome.Result == "made");
    }

    private static void ThrowUnlessDone(PinName name, PinOutcome outcome)
    {
        switch (outcome.Result)
        {
            case "made" or "moved" or "deleted":
                return;
            case "reused":
                throw new CacheProblemException(ProblemKind.KeyReused,
                    "This Idempotency-Key belongs to another request about a pin. Use a new key.");
            case "unknown":
                throw Unknown(name);
            default:
                throw new CacheProblemException(ProblemKind.PinChanged, outcome.IsGone
                    ? $"There is no pin '{name}' (any more)."
                    : $"Pin '{name}' is at revision {outcome.Pin!.Revision.ToString(CultureInfo.InvariantCulture)}, {outcome.Pin.Path}. " +
                        $"Look at it, and ask again with that revision if the change is still wanted.");
        }
    }

    private static CacheProblemException Unknown(PinName name) => new(ProblemKind.UnknownPin, $"There is no pin '{name}'.");

    /// <summary>Tells one request from another under the same idempotency key.</summary>
    private static byte[] Digest(string kind, PinName name, PinCondition condition, params object?[] rest) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', [kind, name.ToString(), Convert.ToString(condition.Expected, CultureInfo.InvariantCulture),
            .. rest.Select(x => Convert.ToString(x, CultureInfo.InvariantCulture))])));
}

/// <summary>What may be asked of a pin.</summary>
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
