using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests;

/// <summary>A cache whose upstream has lost a path.</summary>
internal sealed class ScriptedUpstreams : IUpstreams
{
    public Task<UpstreamReport> ReportAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        Task.FromResult(new UpstreamReport
        {
            Upstreams = ["https://upstream.example.org key-1:AAAA"],
            Boundaries = 7,
            LostCount = 1,
            Lost = [new LostBoundary { Path = World.Path("a").Path, Upstream = "https://upstream.example.org", Since = DateTimeOffset.UnixEpoch,
                Referrer = World.Path("b").Path, Referrers = limit }],
        });

    public Task<BoundaryList> OfPathAsync(CacheName cache, StorePathHash path, int limit, CancellationToken cancellationToken) =>
        Task.FromResult(new BoundaryList { Boundaries = [World.Path("a").Path] });
}
