using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>News of uploads through the grain of each push: a handful of calls a push, for any number of paths.</summary>
internal sealed class ClusterNews(ClusterCalls calls, string scope, TimeProvider time) : IUploadNews
{
    // The grain answers at once, unless a silo has just been lost: then no push waits for it for a while.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    // Ticks, as a long is read in one piece.
    private long _pausedUntil;

    public void Opened(CacheName cache, PushId push, DateTimeOffset expires) =>
        calls.Tell(grains => Of(grains, cache, push).OpenedAsync(expires));

    public void Uploads(CacheName cache, PushId push, DateTimeOffset? expires, int nars) =>
        calls.Tell(grains => Of(grains, cache, push).UploadsAsync(expires, nars));

    public async Task<IReadOnlyList<Uploader?>> ClaimAsync(CacheName cache, PushId push, UploadClaims claims,
        CancellationToken cancellationToken)
    {
        var nars = new byte[claims.Nars.Count * Sha256Hash.ByteLength];
        foreach (var (i, nar) in claims.Nars.Index())
            nar.NarHash.CopyTo(nars.AsSpan(i * Sha256Hash.ByteLength));
        var wanted = new UploadsWanted(push.Value, claims.Group, claims.Adopts, claims.Rate, Bytes([.. claims.Nars.Select(n => n.Path)]),
            nars, [.. claims.Nars.Select(n => n.NarSize)], claims.Rank);
        return await AskAsync(cache, claims.Nars.Count, grain => grain.ClaimAsync(wanted), cancellationToken);
    }

    public Task<IReadOnlyList<Uploader?>> UploadersAsync(CacheName cache, PushId push, string group, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken) =>
        AskAsync(cache, paths.Count, grain => grain.FindAsync(push.Value, group, Bytes(paths)), cancellationToken);

    public void Released(CacheName cache, PushId push, IReadOnlyList<StorePathHash> paths) =>
        calls.Tell(grains => Uploads(grains, cache).ReleasedAsync(push.Value, Bytes(paths)));

    public void Alive(CacheName cache, PushId push) => calls.Tell(grains => Of(grains, cache, push).AliveAsync());

    public void Arrived(CacheName cache, PushId push, IReadOnlyList<Sha256Hash> nars) =>
        calls.Tell(grains => Of(grains, cache, push).ArrivedAsync(new ArrivedNars([.. nars.SelectMany(n => n.ToArray())])));

    public void Ended(CacheName cache, PushId push) => calls.Tell(grains => Of(grains, cache, push).EndedAsync());

    public async IAsyncEnumerable<Arrival?> FollowAsync(CacheName cache, PushId push,
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
            yield return new Arrival([.. news.Hashes.Chunk(Sha256Hash.ByteLength).Select(h => Sha256Hash.FromBytes(h))], news.IsComplete);
            if (!news.Ended && !lost)
                continue;
            yield return null;
            yield break;
        }
    }

    private async Task<IReadOnlyList<Uploader?>> AskAsync(CacheName cache, int count, Func<IUploadsGrain, Task<UploadersFound>> ask,
        CancellationToken cancellationToken)
    {
        var uploaders = new Uploader?[count];
        if (calls.Grains is not { } grains || time.GetUtcNow().UtcTicks < Interlocked.Read(ref _pausedUntil))
            return uploaders;
        try
        {
            var found = await ask(Uploads(grains, cache)).WaitAsync(AnswerTime, time, cancellationToken);
            foreach (var (i, place) in found.Places.Index().Where(p => p.Item >= 0))
                uploaders[i] = new Uploader(new PushId(found.Pushes[place]),
                    Sha256Hash.FromBytes(found.NarHashes.AsSpan(i * Sha256Hash.ByteLength, Sha256Hash.ByteLength)), found.Own[place]);
        }
        catch (Exception e) when (ClusterCalls.IsUnknown(e))
        {
            Interlocked.Exchange(ref _pausedUntil, (time.GetUtcNow() + Pause).UtcTicks);
        }

        return uploaders;
    }

    private static byte[] Bytes(IReadOnlyList<StorePathHash> paths)
    {
        var bytes = new byte[paths.Count * StorePathHash.ByteLength];
        foreach (var (i, path) in paths.Index())
            path.CopyTo(bytes.AsSpan(i * StorePathHash.ByteLength));
        return bytes;
    }

    private IUploadsGrain Uploads(IGrainFactory grains, CacheName cache) =>
        grains.GetGrain<IUploadsGrain>(GrainKey.Uploads(scope, cache).ToString());

    private IPushGrain Of(IGrainFactory grains, CacheName cache, PushId push) =>
        grains.GetGrain<IPushGrain>(GrainKey.Of(scope, cache, push).ToString());
}
