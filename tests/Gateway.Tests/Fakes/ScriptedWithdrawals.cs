using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests;

/// <summary>Withdrawals that are noted, and answered as a test wants.</summary>
internal sealed class ScriptedWithdrawals : IWithdrawals
{
    /// <summary>How an eviction that is no dry run is answered.</summary>
    public EvictionState State { get; set; } = EvictionState.Done;

    public (EvictRequest Request, Caller Caller, OperationId Operation)? Evicted { get; private set; }

    public (string Publisher, DateTimeOffset? Since, string? After, int Limit)? Listed { get; private set; }

    public (long Bar, Caller Caller)? Lifted { get; private set; }

    public Task<PublishedPaths> ListPathsAsync(CacheName cache, string publisher, DateTimeOffset? since, string? after, int limit,
        CancellationToken cancellationToken)
    {
        Listed = (publisher, since, after, limit);
        return Task.FromResult(new PublishedPaths { Paths = [] });
    }

    public Task<Eviction> EvictAsync(CacheName cache, EvictRequest request, Caller caller, OperationId operation, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        Evicted = (request, caller, operation);
        return Task.FromResult(new Eviction
        {
            State = request.DryRun ? EvictionState.Planned : State,
            Total = 0,
            Paths = [],
            Pins = [],
            WaitsFor = []
        });
    }

    public Task<BarList> ListBarsAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken) =>
        Task.FromResult(new BarList { Bars = [] });

    public Task LiftAsync(CacheName cache, long bar, Caller caller, CancellationToken cancellationToken)
    {
        Lifted = (bar, caller);
        return bar == 9999 ? Task.FromException(new CacheProblemException(ProblemKind.UnknownBar, "There is no bar 9999."))
            : Task.CompletedTask;
    }
}
