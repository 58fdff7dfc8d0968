using OrleansCache.Core.Gc;

namespace OrleansCache.Core.Withdraw;

/// <summary>Goes on with an eviction from wherever the catalog says it is: rule 12. Any number of processes may do so at once, and any of them may end in between.</summary>
/// <remarks>
/// 1. Bar what is known of it. 2. The barrier. 3. Let commits end that name it. 4. Look for referrers; when some are found, or were barred, from 1 again.
/// 5. Take the paths, referrers first, out of the catalog's live ones and out of the bucket. 6. Take the bad NARs.
/// </remarks>
internal sealed class Withdrawer(WithdrawalCatalog catalog, Deletions deletions)
{
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private const int Batch = 1_000;

    /// <summary>Does what can be done now. False: it waits for a commit or for the bucket, and is to be called again.</summary>
    public async Task<bool> AdvanceAsync(int cache, long id, CancellationToken cancel)
    {
        var eviction = await catalog.FindAsync(id, cancel);
        if (eviction.IsFinished)
            return true;
        while (!eviction.IsClosed)
        {
            if (!await CloseAsync(cache, eviction, cancel))
                return false;
            eviction = await catalog.FindAsync(id, cancel);
        }

        // 5.
        var rest = Topology.ReferrersFirst(await catalog.RestAsync(eviction.Found, cancel));
        foreach (var batch in rest.Chunk(Batch))
            await catalog.TakePathsAsync(cache, id, batch, cancel);
        await deletions.RunAsync(cache, cancel);

        // 6.
        if (await catalog.SpoilAsync(cache, id, cancel) > 0)
            return false;
        var users = await catalog.UsersAsync(cache, eviction.Objects, cancel);
        if (users.GroupBy(u => u.Id).Any(u => u.All(x => x.IsLeaving)))
            return false;
        await catalog.TakeObjectsAsync(cache, id, [.. users.Select(u => u.Id).Distinct()], cancel);
        await deletions.RunAsync(cache, cancel);
        return await catalog.EndAsync(cache, id, cancel);
    }

    // One round; false when it has to wait.
    private async Task<bool> CloseAsync(int cache, EvictionRow eviction, CancellationToken cancel)
    {
        // 1.
        var barred = 0;
        for (var last = (long?)0; last is { } after;)
        {
            (last, var count) = await catalog.BarAsync(cache, eviction.Id, after, Batch, cancel);
            barred += count;
        }

        // 2. Also when nothing was barred: who did so before may have died just then.
        await catalog.BarrierAsync(cache, cancel);

        // 3.
        if ((await catalog.WaitsAsync(cache, eviction.Id, cancel)).Count > 0)
            return false;

        // 4.
        var found = await catalog.ReferrersAsync(cache, eviction.Found, cancel);
        if (found.Count > 0)
            await catalog.AddAsync(eviction.Id, found, cancel);
        else if (barred == 0)
            await catalog.CloseAsync(eviction.Id, eviction.Found.Length, cancel);
        await catalog.LeaseAsync(eviction.Id, Lease, cancel);
        return true;
    }
}
