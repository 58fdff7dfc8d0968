using OrleansCache.Contracts;

namespace OrleansCache.Model.Tests;

/// <summary>Pins for who does not wait for the bucket: it is written behind them, which is a flow of its own here.</summary>
/// <param name="rows">Change the catalog only.</param>
/// <param name="direct">The product's.</param>
internal sealed class HostPins(IPins rows, IPins direct) : IPins
{
    public IPins As(Caller caller) => new HostPins(rows.As(caller), direct.As(caller));

    private static readonly TimeSpan Patience = TimeSpan.FromDays(1);

    public async Task<PinSet> SetAsync(CacheName cache, PinName name, SetPin request, PinCondition condition, OperationId operation,
        TimeSpan patience, CancellationToken cancellationToken)
    {
        var set = await rows.SetAsync(cache, name, request, condition, operation, TimeSpan.Zero, cancellationToken);
        await WriteBehindAsync(cache, name);
        return set;
    }

    public async Task<PinSet> RollbackAsync(CacheName cache, PinName name, RollbackPin request, PinCondition condition,
        OperationId operation, TimeSpan patience, CancellationToken cancellationToken)
    {
        var set = await rows.RollbackAsync(cache, name, request, condition, operation, TimeSpan.Zero, cancellationToken);
        await WriteBehindAsync(cache, name);
        return set;
    }

    public async Task<bool> DeleteAsync(CacheName cache, PinName name, PinCondition condition, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        await rows.DeleteAsync(cache, name, condition, operation, TimeSpan.Zero, cancellationToken);
        await WriteBehindAsync(cache, name);
        return false;
    }

    public Task<bool> WrittenAsync(CacheName cache, PinName name, TimeSpan patience, CancellationToken cancellationToken) =>
        direct.WrittenAsync(cache, name, patience, cancellationToken);

    public Task<PinList> ListAsync(CacheName cache, CancellationToken cancellationToken) => direct.ListAsync(cache, cancellationToken);

    public Task<Pin> ShowAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        direct.ShowAsync(cache, name, cancellationToken);

    public Task<PinVersion?> VersionAsync(CacheName cache, PinName name, CancellationToken cancellationToken) =>
        direct.VersionAsync(cache, name, cancellationToken);

    private async Task WriteBehindAsync(CacheName cache, PinName name)
    {
        // Outside a schedule who asks afterwards writes it.
        if (Turns.Now is not { } asker)
            return;
        var turns = asker.Turns;
        var behind = new Flow(turns, asker.Operation, asker.NextCall(), asker.Gateway, "write behind")
        {
            IsBehind = true,
            IsLost = true,
            NextCall = asker.NextCall,
            Lose = turns.Quiet
        };
        _ = Turns.RunAsync(behind, async () =>
        {
            await direct.WrittenAsync(cache, name, Patience, CancellationToken.None);
            turns.Quiet();
        });
        await behind.Begun;
    }
}
