using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Caches;

/// <summary>The end of a cache goes by the collector's own way, and touches no other.</summary>
public sealed class CacheDeletionTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_cache_with_paths_is_deleted_by_force_alone_and_the_others_stay_whole()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y"));
        await world.PushAsync(B, World.Chain("x", "y"));
        await world.Core.Pins.As(Caller.Server).SetAsync(A, PinName.Parse("main"), new SetPin { Path = World.Path("y").Path },
            PinCondition.None, OperationId.New(), TimeSpan.FromSeconds(10), None);
        var open = await world.BeginAsync(A, World.Chain("z"));
        await world.UploadAsync(A, open);
        await RefusedAsync(ProblemKind.CacheInUse, () => world.Core.Caches.DeleteAsync(A, force: false, Caller.Server, None));

        await world.Core.Caches.DeleteAsync(A, force: true, Caller.Server, None);

        await RefusedAsync(ProblemKind.UnknownCache, () => world.BeginAsync(A, World.Chain("x")));
        await RefusedAsync(ProblemKind.CacheExists, () => world.MakeAsync(A));
        Assert.Null(world.Core.FindCache(A));
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return world.StoreOf(A).Objects.IsEmpty;
        });
        // NARs are deleted a second time, when the last URL for them is a day past.
        Assert.NotNull((await world.Core.Caches.ShowAsync(A, None)).Deleting);
        await world.ExecuteAsync("update cache set deleting = deleting - interval '2 days'; " +
            "update tombstone set urls_until = urls_until - interval '2 days'; " +
            "update object set url_expires = url_expires - interval '2 days', claimed_at = claimed_at - interval '2 days'");
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListAsync(None)).Caches.All(c => c.Name != "a");
        });
        Assert.Equal(0, await world.QueryAsync<long>(
            "select (select count(*) from store_path s where not exists (select from cache c where c.id = s.cache_id)) + " +
            "(select count(*) from object s where not exists (select from cache c where c.id = s.cache_id)) + (select count(*) from push_path d where not exists (select from push u where u.id = d.push_id))"));
        Assert.NotNull(world.NarInfoOf(B, "y"));
        Assert.Equal("", await FsckAsync(world.Core, B));
        // What was done there is still told, for its time.
        Assert.Equal("cache:a", Assert.Single((await world.Core.Audit.ReadAsync(A, new AuditQuery(Action: "cache.delete"), None)).Lines).Subject);
        await world.ExecuteAsync("update audit set at = at - interval '401 days'");
        await (await world.AddCoreAsync()).RunHousekeepingAsync(None);
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from deleted_cache"));
        await RefusedAsync(ProblemKind.UnknownCache, () => world.Core.Audit.ReadAsync(A, new AuditQuery(), None));
        // The name is free again.
        await world.MakeAsync(A);
        await world.PushAsync(A, World.Chain("x", "y"));
        Assert.Equal("", await FsckAsync(world.Core, A));
    }

    [Fact]
    public async Task An_empty_cache_goes_when_every_server_has_heard_and_its_tokens_at_once()
    {
        await using var world = await CreateAsync(A);
        var token = await world.Core.Tokens.CreateAsync(A, new CreateToken { Name = "ci", Scopes = [TokenScope.Push] }, None);
        Assert.NotNull(await world.Core.Tokens.FindAsync(token.Secret, None));

        await world.Core.Caches.DeleteAsync(A, force: false, Caller.Server, None);
        Assert.Null(await world.Core.Tokens.FindAsync(token.Secret, None));
        await world.TurnAsync();
        // A begin may still be under way at a server that has not heard.
        Assert.Equal(2, (await world.Core.Caches.ListAsync(None)).Caches.Count);
        await world.ExecuteAsync("update cache set deleting = deleting - interval '2 minutes'");
        await world.TurnAsync();

        Assert.Equal(["default"], (await world.Core.Caches.ListAsync(None)).Caches.Select(c => c.Name));
        await RefusedAsync(ProblemKind.UnknownCache, () => world.Core.Caches.DeleteAsync(A, force: true, Caller.Server, None));
        await RefusedAsync(ProblemKind.CacheDeclared, () =>
            world.Core.Caches.DeleteAsync(CacheName.Default, force: true, Caller.Server, None));
    }

    [Fact]
    public async Task Only_a_cache_under_deletion_is_empty_and_its_tables_are_looked_through_when_its_lists_are()
    {
        await using var world = await CreateAsync(A);
        await world.PushAsync(A, World.Chain("x"));
        var catalog = new CacheCatalog(world.Core.Database);
        var id = await world.QueryAsync<int>("select id from cache where name = 'a'");
        Assert.Equal(RestOfCache.Unknown, await catalog.LeftAsync(id, None));
        Assert.Equal(RestOfCache.Unknown, await catalog.LeftAsync(id + 100, None));
        Assert.False(await catalog.ForgetAsync(id, 10, None));

        await world.Core.Caches.DeleteAsync(A, force: true, Caller.Server, None);
        Assert.Equal(RestOfCache.Live, await catalog.LeftAsync(id, None));
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return world.StoreOf(A).Objects.IsEmpty && await world.QueryAsync<long>(
                "select (select count(*) from moving_object) + (select count(*) from gc_run where state = 'running')") == 0;
        });
        Assert.Equal(RestOfCache.Leaving, await catalog.LeftAsync(id, None));
        // One collection has taken all; what only a table says of its paths shows once the tombstones are gone.
        await world.ExecuteAsync("update store_path set state = 'live'");
        Assert.Equal(RestOfCache.Leaving, await catalog.LeftAsync(id, None));
        await world.ExecuteAsync("delete from tombstone");
        Assert.Equal(RestOfCache.Live, await catalog.LeftAsync(id, None));
        await world.ExecuteAsync("update store_path set state = 'gone'; update object set state = 'gone'");
        Assert.Equal(RestOfCache.Leaving, await catalog.LeftAsync(id, None));
        await world.ExecuteAsync("update cache set deleting = deleting - interval '2 minutes'");
        Assert.Equal(RestOfCache.Empty, await catalog.LeftAsync(id, None));
        Assert.True(await catalog.ForgetAsync(id, 1000, None));
        Assert.Equal(RestOfCache.Unknown, await catalog.LeftAsync(id, None));
    }
}
