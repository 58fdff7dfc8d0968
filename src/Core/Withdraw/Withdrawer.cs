using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;

namespace OrleansCache.Core.Withdraw;

/// <summary>
/// Rule 12: advances an eviction from the step that the catalog has. Any number of processes may do so at once, and each may stop in
/// between.
/// </summary>
/// <remarks>
/// 1. The bars and their barrier came with the eviction's row. 2. Let commits end that name some of it. 3. Look for paths that have a bad
/// NAR, which are barred too, and for referrers; when some are found, from 2 again. 4. Condemn the paths, referrers first; pins say that
/// they are broken. 5. Take them to be deleted, and delete them. 6. The bad NARs.
/// </remarks>
internal sealed class Withdrawer(WithdrawalCatalog catalog, Deletions deletions)
{
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);
    private const int Batch = 1_000;

    /// <summary>Does all that can be done now. False: it waits for a commit or for the bucket; call it again.</summary>
    public async Task<bool> AdvanceAsync(int cache, long id, CancellationToken cancellationToken)
    {
        var eviction = await catalog.FindAsync(id, cancellationToken);
        if (eviction.IsFinished)
            return true;
        while (!eviction.IsClosed)
        {
            if (!await CloseAsync(cache, eviction, cancellationToken))
                return false;
            eviction = await catalog.FindAsync(id, cancellationToken);
        }

        // 4.
        var rest = ReferenceOrder.ReferrersFirst(await catalog.RestAsync(id, cancellationToken));
        foreach (var batch in rest.Chunk(Batch))
            await catalog.CondemnAsync(cache, id, batch, cancellationToken);

        // 5.
        foreach (var batch in rest.Chunk(Batch))
            await catalog.SweepAsync(cache, id, batch, cancellationToken);
        await deletions.RunAsync(cache, cancellationToken);

        // 6.
        await catalog.TakeObjectsAsync(cache, id, await catalog.UsedAsync(cache, eviction.Objects, cancellationToken), cancellationToken);
        await deletions.RunAsync(cache, cancellationToken);
        return await catalog.EndAsync(cache, id, cancellationToken);
    }

    // One round; false when it must wait.
    private async Task<bool> CloseAsync(int cache, EvictionRow eviction, CancellationToken cancellationToken)
    {
        await catalog.LeaseAsync(eviction.Id, Lease, cancellationToken);

        // 2.
        if ((await catalog.WaitsAsync(cache, eviction.Id, cancellationToken)).Count > 0)
            return false;

        // 3.
        var users = await catalog.UsersAsync(cache, eviction.Objects, cancellationToken);
        if (users.Count > 0)
        {
            await catalog.BarAsync(cache, eviction.Id, users, cancellationToken);
            return true;
        }

        var found = await catalog.ReferrersAsync(cache, eviction.Found, cancellationToken);
        if (found.Count > 0)
            await catalog.AddAsync(eviction.Id, found, cancellationToken);
        else
            await catalog.CloseAsync(eviction.Id, eviction.Found.Length, cancellationToken);
        return true;
    }
}
