using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>News of uploads through the grain of each push: a handful of calls a push, for any number of paths.</summary>
internal sealed class ClusterNews(ClusterCalls calls, string scope) : IUploadNews
{
    private const int HashLength = 32;

    public void Opened(CacheName cache, PushId push, DateTimeOffset expires) =>
        calls.Tell(grains => Of(grains, cache, push).OpenedAsync(expires));

    public void Alive(CacheName cache, PushId push) => calls.Tell(grains => Of(grains, cache, push).AliveAsync());

    public void Arrived(CacheName cache, PushId push, IReadOnlyList<Sha256Hash> nars) =>
        calls.Tell(grains => Of(grains, cache, push).ArrivedAsync(new ArrivedNars([.. nars.SelectMany(n => n.ToArray())])));

    public void Ended(CacheName cache, PushId push) => calls.Tell(grains => Of(grains, cache, push).EndedAsync());

    public async IAsyncEnumerable<IReadOnlyList<Sha256Hash>?> FollowAsync(CacheName cache, PushId push,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var grain = Of(calls.Grains ?? throw new InvalidOperationException("there is no cluster yet"), cache, push);
        var (activation, count) = (Guid.Empty, 0);
        while (true)
        {
            var news = await grain.NewsAsync(activation, count).WaitAsync(cancellationToken);
            // A silo was lost, and the new activation does not know what came in between.
            var lost = activation != Guid.Empty && news.Activation != activation;
            (activation, count) = (news.Activation, news.Count);
            yield return [.. news.Hashes.Chunk(HashLength).Select(h => Sha256Hash.FromBytes(h))];
            if (!news.Ended && !lost)
                continue;
            yield return null;
            yield break;
        }
    }

    private IPushGrain Of(IGrainFactory grains, CacheName cache, PushId push) =>
        grains.GetGrain<IPushGrain>(GrainKey.Of(scope, cache, push).ToString());
}
