using System.Text.Json.Nodes;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Caches;

/// <summary>A cache that has all that it may takes nothing new, and goes on with what it has.</summary>
public sealed class CacheQuotaTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Over_its_bytes_nothing_is_taken_and_what_is_there_is_pushed_and_pinned_as_ever(bool grouped)
    {
        await using var world = await CreateAsync(B);
        var core = await world.AddCoreAsync(grouped: grouped);
        await world.MakeAsync(A, new JsonObject { ["quotaBytes"] = 2500 });
        await core.LookAtCachesAsync(None);
        await world.PushAsync(A, World.Chain("x", "y"), core);

        var refused = await RefusedAsync(ProblemKind.QuotaExceeded, () => world.BeginAsync(A, World.Chain("z"), core));

        Assert.Contains("The quota of stored bytes of this cache is 2,500", refused.Message, StringComparison.Ordinal);
        Assert.Empty((await world.BeginAsync(A, World.Chain("x", "y"), core)).Uploads);
        await core.Pins.As(Caller.Server).SetAsync(A, PinName.Parse("main"), new SetPin { Path = World.Path("y").Path },
            PinCondition.None, OperationId.New(), TimeSpan.Zero, None);
        // Another cache has its own.
        await world.PushAsync(B, World.Chain("z"), core);
        await world.PushAsync(CacheName.Default, World.Chain("z"), core);
        await world.SetAsync(A, new JsonObject { ["quotaBytes"] = 10_000 });
        await world.PushAsync(A, World.Chain("z"), core);
    }

    [Fact]
    public async Task A_change_of_another_setting_keeps_the_count_and_a_first_quota_begins_with_none()
    {
        await using var world = await CreateAsync();
        await world.MakeAsync(A, new JsonObject { ["quotaBytes"] = 7_200 });
        for (var i = 0; i < 6; i++)
            await world.PushAsync(A, World.Chain($"x{i}"));
        // All of them are counted, and no push is old enough to be forgotten.
        await world.ExecuteAsync("update cache set used_at = null");
        await world.TurnAsync();
        var used = (await world.Core.Caches.ShowAsync(A, None)).UsedBytes;

        await world.SetAsync(A, new JsonObject { ["private"] = true });
        Assert.Equal(used, (await world.Core.Caches.ShowAsync(A, None)).UsedBytes);
        await world.PushAsync(A, World.Chain("y"));

        // What was counted for an earlier quota bounds nothing.
        await world.SetAsync(A, new JsonObject { ["quotaBytes"] = null });
        await world.SetAsync(A, new JsonObject { ["quotaBytes"] = 1_100 });
        await world.PushAsync(A, World.Chain("z"));
        await world.TurnAsync();
        await RefusedAsync(ProblemKind.QuotaExceeded, () => world.BeginAsync(A, World.Chain("w")));
    }

    [Fact]
    public async Task While_a_count_goes_on_settings_can_be_changed_and_nobody_else_counts()
    {
        await using var world = await CreateAsync();
        await world.MakeAsync(A, new JsonObject { ["quotaBytes"] = 10_000 });
        var other = await world.AddCoreAsync();
        await world.PushAsync(A, World.Chain("x"));
        await world.ExecuteAsync("update cache set used_at = null");
        await using var source = NpgsqlDataSource.Create(world.ConnectionString);
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var locks = new NpgsqlCommand("lock table object in access exclusive mode", connection))
            await locks.ExecuteNonQueryAsync();
        var id = await world.QueryAsync<int>("select id from cache where name = 'a'");

        var count = new KeyCatalog(world.Core.Database).CountAsync(id, TimeSpan.FromSeconds(10), None);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<long>(
            "select count(*) from pg_locks where locktype = 'advisory' and classid = 20293 and granted " +
            "and database = (select oid from pg_database where datname = current_database())") > 0);
        await world.SetAsync(A, new JsonObject { ["private"] = true }).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.False(await new KeyCatalog(other.Database).CountAsync(id, TimeSpan.FromSeconds(10), None).WaitAsync(TimeSpan.FromSeconds(10)));
        await transaction.RollbackAsync();

        Assert.True(await count);
        Assert.False(await new KeyCatalog(world.Core.Database).CountAsync(id, TimeSpan.FromSeconds(10), None));
        Assert.Equal(1, await world.QueryAsync<long>("select used_paths from cache where name = 'a'"));
    }

    [Fact]
    public async Task Over_its_paths_nothing_is_taken_until_a_collection_has_freed_some()
    {
        await using var world = await CreateAsync();
        await world.MakeAsync(A, new JsonObject { ["quotaPaths"] = 2 });
        await world.PushAsync(A, World.Chain("x", "y"));
        await world.ExecuteAsync("update cache set used_at = used_at - interval '1 minute'");
        await world.TurnAsync();

        var refused = await RefusedAsync(ProblemKind.QuotaExceeded, () => world.BeginAsync(A, World.Chain("z")));
        Assert.Contains("The quota of paths of this cache is 2: 2 are used", refused.Message, StringComparison.Ordinal);
        var shown = await world.Core.Caches.ShowAsync(A, None);
        Assert.Equal(2, shown.UsedPaths);

        await world.ExecuteAsync("delete from push; update cache set used_at = null");
        await world.Core.Collection.StartAsync(A, World.Everything, OperationId.New(), None);
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.ExecuteAsync("update cache set used_at = null");
            await world.TurnAsync();
            return (await world.Core.Caches.ShowAsync(A, None)).UsedPaths == 0;
        });
        await world.PushAsync(A, World.Chain("z"));
    }
}
