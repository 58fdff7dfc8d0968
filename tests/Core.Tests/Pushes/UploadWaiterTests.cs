using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>The query that all waiters of a process share.</summary>
public sealed class UploadWaiterTests
{
    [Fact]
    public async Task A_query_is_right_for_the_others_when_one_of_its_waiters_has_gone_on_meanwhile()
    {
        await using var world = await World.CreateAsync();
        var waits = new UploadWaiters(new PushCatalog(world.Core.Database), new PushOptions(), TimeProvider.System);
        var (asked, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        world.Core.Database.BeforeStatement = (sql, _) =>
        {
            if (!sql.Contains("arrived_paths", StringComparison.Ordinal))
                return Task.CompletedTask;
            asked.TrySetResult();
            return answer.Task;
        };
        using var leaving = new CancellationTokenSource();
        var (mine, others) = (Waiting(), Waiting());
        var gone = WaitAsync(mine, leaving.Token);
        var stays = WaitAsync(others, CancellationToken.None);
        await asked.Task;

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        // As DirectPushes does with what it asks the catalog about next.
        mine[0] = null;
        answer.SetResult();

        // No push has this path: there is nothing to wait for.
        Assert.Equal([0], await stays);

        Task<IReadOnlyList<int>> WaitAsync(Claim?[] claims, CancellationToken cancellationToken) =>
            waits.WaitAsync(CacheName.Default, 1, new PushId(Guid.NewGuid()), claims!, TimeSpan.FromMinutes(1), cancellationToken);
    }

    private static Claim?[] Waiting() => [new(1, ClaimStatus.Wait, null, 0, null, new Sha256Hash(), 1, null, null)];
}
