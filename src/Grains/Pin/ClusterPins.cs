using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>Sends changes of a pin through its grain, in one order, and asks it for the pin; the catalog has the list.</summary>
internal sealed class ClusterPins(IPins direct, ClusterCalls calls, string scope, Caller? caller = null) : IPins
{
    private readonly Caller _caller = caller ?? Caller.Anonymous;

    public IPins As(Caller other) => new ClusterPins(direct.As(other), calls, scope, other);

    public async Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        var change = new PinChange
        {
            Kind = PinChangeKind.Set,
            Operation = operation.Value,
            Deadline = calls.DeadlineNow,
            Expected = condition.Expected,
            Path = request.Path.BaseName,
            ExpiresSeconds = request.ExpiresSeconds,
            KeepRevisions = request.KeepRevisions,
            NarHash = request.NarHash?.ToString(),
        };
        return await SetAsync(cache, name, change, () => direct.SetAsync(cache, name, request, condition, operation, TimeSpan.Zero,
            cancellationToken),
            patience, cancellationToken);
    }

    public async Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition,
        OperationId operation, TimeSpan patience, CancellationToken cancellationToken)
    {
        var change = new PinChange
        {
            Kind = PinChangeKind.Rollback,
            Operation = operation.Value,
            Deadline = calls.DeadlineNow,
            Expected = condition.Expected,
            Revision = request.Revision
        };
        return await SetAsync(cache, name, change, () => direct.RollbackAsync(cache, name, request, condition, operation, TimeSpan.Zero,
            cancellationToken), patience, cancellationToken);
    }

    public async Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var change = new PinChange
        {
            Kind = PinChangeKind.Delete,
            Operation = operation.Value,
            Deadline = calls.DeadlineNow,
            Expected = condition.Expected
        };
        await calls.AskAsync(
            async grains => await AskAsync(grains, cache, name, change) is { Problem: null },
            () => direct.DeleteAsync(cache, name, condition, operation, TimeSpan.Zero, cancellationToken),
            cancellationToken);
        return await direct.WrittenAsync(cache, name, patience, cancellationToken);
    }

    public Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken) =>
        direct.WrittenAsync(cache, name, patience, cancellationToken);

    public Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken) => direct.ListAsync(cache, cancellationToken);

    public Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken) => calls.ReadAsync(
        async grains =>
        {
            var shown = await GrainOf(grains, cache, name).ShowAsync();
            return shown.Problem is { } problem ? throw problem.ToException() : ToPin(name, shown.Pin!) with
            {
                Written = shown.Written,
                BrokenSince = shown.BrokenSince,
                History = [.. shown.History.Select(r => new PinRevision
                {
                    Revision = r.Revision,
                    Path = StorePath.Parse(r.Path),
                    Created = r.Created,
                    Kept = r.Kept,
                    Present = r.Present
                })],
            };
        },
        () => direct.ShowAsync(cache, name, cancellationToken), cancellationToken);

    public Task<PinVersion?> VersionAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        direct.VersionAsync(cache, name, cancellationToken);

    private async Task<PinSet> SetAsync(CacheName cache, PinName name, PinChange change, Func<Task<PinSet>> otherwise, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var set = await calls.AskAsync(
            async grains =>
            {
                var reply = await AskAsync(grains, cache, name, change);
                return new PinSet(ToPin(name, reply.Pin!), reply.Made);
            },
            otherwise, cancellationToken);
        return set with { Pin = set.Pin with { Written = await direct.WrittenAsync(cache, name, patience, cancellationToken) } };
    }

    private async Task<PinReply> AskAsync(IGrainFactory grains, CacheName cache, PinName name, PinChange change)
    {
        var asked = change with
        {
            Publisher = _caller.Publisher,
            TrustGroup = _caller.Group,
            Rank = _caller.Rank,
            IsAdmin = _caller.IsAdmin,
            Address = _caller.Address
        };
        var reply = await GrainOf(grains, cache, name).ChangeAsync(asked);
        return reply.Problem is { } problem ? throw problem.ToException() : reply;
    }

    private IPinGrain GrainOf(IGrainFactory grains, CacheName cache, PinName name) =>
        grains.GetGrain<IPinGrain>(GrainKey.Of(scope, cache, name).ToString());

    private static Pin ToPin(PinName name, PinState pin) => new()
    {
        Name = name,
        Path = StorePath.Parse(pin.Path),
        Revision = pin.Revision,
        KeepRevisions = pin.KeepRevisions,
        Created = pin.Created,
        Updated = pin.Updated,
        Expires = pin.Expires,
        Written = false,
    };
}
