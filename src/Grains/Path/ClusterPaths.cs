using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>Asks the grain of a path, so that many who ask at once cost the catalog one reading.</summary>
internal sealed class ClusterPaths(IPaths direct, ClusterCalls calls, string scope) : IPaths
{
    public Task<PathLife> GetAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken) => calls.ReadAsync(
        async grains =>
        {
            var shown = await grains.GetGrain<IStorePathGrain>(GrainKey.Of(scope, cache, path).ToString()).GetAsync();
            if (shown.Problem is { } problem)
                throw problem.ToException();
            return JsonSerializer.Deserialize(shown.Life, ProtocolJson.Default.PathLife)
                ?? throw new InvalidOperationException($"The grain of {path} has answered nothing.");
        },
        () => direct.GetAsync(cache, path, cancellationToken), cancellationToken, ClusterCalls.Deadline);
}
