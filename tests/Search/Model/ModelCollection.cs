using OrleansCache.Contracts;
using OrleansCache.Core.Collect;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>Starts runs, which are named after their operation; the operation itself then does them, step by step.</summary>
internal sealed class ModelCollection(GcCatalog catalog) : IGarbageCollection
{
    public Task<GcRow?> StartRowAsync(GcRequest request, OperationId operation) => catalog.StartAsync(
        Gateway.Cache, operation, false, request, TimeSpan.FromSeconds(request.OlderThanSeconds ?? 0), TimeSpan.Zero,
        TimeSpan.FromSeconds(request.GraceSeconds ?? 0), operation.Value, Caller.Server, CancellationToken.None);

    public async Task<GcRun> StartAsync(CacheName cache, Caller caller, GcRequest request, OperationId operation,
        CancellationToken cancellationToken) =>
        (await StartRowAsync(request, operation))?.Run ?? throw new CacheProblemException(ProblemKind.GcRunning,
            "Another run has just ended.");

    public async Task<GcRun> RunAsync(CacheName cache, long run, CancellationToken cancellationToken) =>
        (await catalog.FindAsync(Gateway.Cache, run, cancellationToken))?.Run ?? throw new CacheProblemException(ProblemKind.UnknownGcRun,
            "There is no such run.");

    public Task<GcStatus> StatusAsync(CacheName cache, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<GcHistory> HistoryAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<GcRun?> CancelAsync(CacheName cache, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<WhyAnswer> WhyAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
