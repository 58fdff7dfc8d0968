using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Caches;

/// <summary>A new key signs all that is there, beside the old one, and then takes its place.</summary>
public sealed class KeyRotationTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Rotation_signs_what_is_there_with_both_keys_and_then_the_old_one_signs_no_more()
    {
        await using var world = await CreateAsync(A, B);
        await world.PushAsync(A, World.Chain("x", "y"));
        await world.PushAsync(B, World.Chain("x", "y"));
        var first = Assert.Single((await world.Core.Caches.ListKeysAsync(A, None)).Keys).Name;

        var added = (await world.Core.Caches.AddKeyAsync(A, new AddKey { Replaces = true }, Caller.Server, None)).Keys;
        Assert.Equal([(first, KeyState.Active, false), ("cache.test-a-2", KeyState.Active, true)], added.Select(k => (k.Name, k.State, k.Signing)));
        Assert.Equal(2, (await world.Core.Caches.ShowAsync(A, None)).PublicKeys.Count);
        await world.PushAsync(A, World.Chain("z"));
        Assert.Equal([first, "cache.test-a-2"], world.SignersOf(A, "z"));
        foreach (var state in (KeyState[])[KeyState.Retired, KeyState.Verifying])
            await RefusedAsync(ProblemKind.Conflict, () =>
                world.Core.Caches.SetKeyAsync(A, first, new SetKey { State = state }, Caller.Server, None));

        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListKeysAsync(A, None)).Keys.All(k => !k.Signing);
        });

        Assert.Equal([first, "cache.test-a-2"], world.SignersOf(A, "x"));
        Assert.Equal([first, "cache.test-a-2"], world.SignersOf(A, "y"));
        Assert.Equal([KeyState.Verifying, KeyState.Active], (await world.Core.Caches.ListKeysAsync(A, None)).Keys.Select(k => k.State));
        await world.PushAsync(A, World.Chain("w"));
        Assert.Equal(["cache.test-a-2"], world.SignersOf(A, "w"));
        Assert.Equal(["cache.test-b-1"], world.SignersOf(B, "y"));
        Assert.Equal("", await FsckAsync(world.Core, A));

        // Readers are told of the old one until it is retired.
        Assert.Equal(2, (await world.Core.Caches.ShowAsync(A, None)).PublicKeys.Count);
        await world.Core.Caches.SetKeyAsync(A, first, new SetKey { State = KeyState.Retired }, Caller.Server, None);
        Assert.StartsWith("cache.test-a-2:", Assert.Single((await world.Core.Caches.ShowAsync(A, None)).PublicKeys), StringComparison.Ordinal);
        await RefusedAsync(ProblemKind.Conflict, () =>
            world.Core.Caches.SetKeyAsync(A, "cache.test-a-2", new SetKey { State = KeyState.Retired }, Caller.Server, None));
        await RefusedAsync(ProblemKind.UnknownKey, () => world.Core.Caches.SetKeyAsync(A, "nobody", new SetKey { State = KeyState.Active }, Caller.Server, None));
        await RefusedAsync(ProblemKind.CacheExists, () => world.Core.Caches.AddKeyAsync(A, new AddKey { Name = first }, Caller.Server, None));
    }

    [Fact]
    public async Task A_signature_that_only_bears_the_new_key_s_name_keeps_no_path_from_being_signed()
    {
        await using var world = await CreateAsync(A);
        var squatter = Nix.SecretKey.Generate("cache.test-a-2").Sign("something else");
        await world.PushAsync(A, World.Closure(World.Path("x") with { Signatures = [squatter] }));
        Assert.Contains(squatter, world.NarInfoOf(A, "x")!.Signatures);

        await world.Core.Caches.AddKeyAsync(A, new AddKey { Replaces = true }, Caller.Server, None);
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListKeysAsync(A, None)).Keys.All(k => !k.Signing);
        });

        var key = Nix.PublicKey.Parse((await world.Core.Caches.ListKeysAsync(A, None)).Keys[^1].PublicKey);
        var info = world.NarInfoOf(A, "x")!;
        Assert.Equal("cache.test-a-2", key.Name);
        Assert.True(key.Verify(info.Fingerprint(), Assert.Single(info.Signatures, s => s.StartsWith("cache.test-a-2:", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task A_key_in_wrong_hands_is_retired_at_once_by_force()
    {
        await using var world = await CreateAsync(A);
        var first = Assert.Single((await world.Core.Caches.ListKeysAsync(A, None)).Keys).Name;
        await world.Core.Caches.AddKeyAsync(A, new AddKey(), Caller.Server, None);

        await world.Core.Caches.SetKeyAsync(A, first, new SetKey { State = KeyState.Retired, Force = true }, Caller.Server, None);

        Assert.StartsWith("cache.test-a-2:", Assert.Single((await world.Core.Caches.ShowAsync(A, None)).PublicKeys), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_process_publishes_with_the_old_key_while_it_has_not_heard_is_signed_too()
    {
        await using var world = await CreateAsync(A);
        var late = await world.AddCoreAsync();
        await late.LookAtCachesAsync(None);
        await world.PushAsync(A, World.Chain("x"));
        await world.Core.Caches.AddKeyAsync(A, new AddKey(), Caller.Server, None);
        await world.Core.RunHousekeepingAsync(None);

        await world.PushAsync(A, World.Chain("y"), late);
        Assert.Equal(["cache.test-a-1"], world.SignersOf(A, "y"));
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.Core.RunHousekeepingAsync(None);
            return (await world.Core.Caches.ListKeysAsync(A, None)).Keys.All(k => !k.Signing);
        });

        Assert.Equal(["cache.test-a-1", "cache.test-a-2"], world.SignersOf(A, "y"));
        // It was added, and replaces nothing.
        Assert.All((await world.Core.Caches.ListKeysAsync(A, None)).Keys, k => Assert.Equal(KeyState.Active, k.State));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_push_that_is_open_across_a_rotation_is_waited_for_and_signed_with_the_new_key(bool supersedes)
    {
        await using var world = await CreateAsync(A);
        await PushAsync(new Caller("token:1", "token:1", 0), World.Chain("x"));
        var pusher = new Caller("token:7", "token:7", 1);
        // Its signatures are those of its beginning.
        var open = await world.Core.Pushes.As(pusher).BeginAsync(A, supersedes ? World.Closure(World.Path("x", content: "other"))
            : World.Chain("y"), OperationId.New(), None);
        await world.Core.Caches.AddKeyAsync(A, new AddKey { Replaces = true }, Caller.Server, None);
        // A hold of stock Nix is no push, and lasts as long as its client comes again.
        await world.ExecuteAsync("insert into push (cache_id, operation, digest, holder, expires, paths, roots, created) " +
            "select id, 'nix:hold', '', 'token:9', now() + interval '1 day', '{}', '{}', now() - interval '1 hour' from cache where name = 'a'");

        await world.TurnAsync(6);
        Assert.True((await world.Core.Caches.ListKeysAsync(A, None)).Keys[^1].Signing);
        await EndAsync(pusher, open);
        var name = supersedes ? "x" : "y";
        Assert.DoesNotContain("cache.test-a-2", world.SignersOf(A, name));
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListKeysAsync(A, None)).Keys.All(k => !k.Signing);
        });

        Assert.Equal(["cache.test-a-1", "cache.test-a-2"], world.SignersOf(A, name));

        async Task PushAsync(Caller caller, BeginPush closure) =>
            await EndAsync(caller, await world.Core.Pushes.As(caller).BeginAsync(A, closure, OperationId.New(), None));

        async Task EndAsync(Caller caller, PushOpened push)
        {
            await world.UploadAsync(A, push, caller: caller);
            Assert.Equal(PushState.Committed,
                (await world.Core.Pushes.As(caller).CommitAsync(A, World.Id(push), TimeSpan.FromSeconds(30), None)).State);
        }
    }

    [Fact]
    public async Task A_key_that_was_added_after_a_rotation_began_outlives_it()
    {
        await using var world = await CreateAsync(A);
        await world.PushAsync(A, World.Chain("x"));
        await world.Core.Caches.AddKeyAsync(A, new AddKey { Replaces = true }, Caller.Server, None);
        await world.Core.Caches.AddKeyAsync(A, new AddKey(), Caller.Server, None);

        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListKeysAsync(A, None)).Keys.All(k => !k.Signing);
        });

        Assert.Equal([KeyState.Verifying, KeyState.Active, KeyState.Active],
            (await world.Core.Caches.ListKeysAsync(A, None)).Keys.Select(k => k.State));
        Assert.Equal(["cache.test-a-1", "cache.test-a-2", "cache.test-a-3"], world.SignersOf(A, "x"));
    }

    [Fact]
    public async Task The_default_cache_rotates_from_the_key_of_its_file()
    {
        await using var world = await CreateAsync();
        await world.PushAsync(CacheName.Default, World.Chain("x"));

        await world.Core.Caches.AddKeyAsync(CacheName.Default, new AddKey { Replaces = true }, Caller.Server, None);
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListKeysAsync(CacheName.Default, None)).Keys.All(k => !k.Signing);
        });

        Assert.Equal(["test-1", "test-2"], world.SignersOf(CacheName.Default, "x"));
        Assert.Equal([("test-2", KeyState.Active, false), ("test-1", KeyState.Verifying, true)],
            (await world.Core.Caches.ListKeysAsync(CacheName.Default, None)).Keys.Select(k => (k.Name, k.State, k.InFile)));
        var other = await world.AddCoreAsync();
        await world.PushAsync(CacheName.Default, World.Chain("y"), other);
        Assert.Equal(["test-2"], world.SignersOf(CacheName.Default, "y"));
        Assert.Equal(2, other.PublicKeys.Count);
    }

    [Fact]
    public async Task Under_always_nothing_is_signed_anew_that_no_server_has_read()
    {
        await using var world = await CreateAsync(A);
        await world.PushAsync(A, World.Chain("x"));
        await world.SetAsync(A, new JsonObject { ["verify"] = "always" });

        await world.Core.Caches.AddKeyAsync(A, new AddKey { Replaces = true }, Caller.Server, None);
        await world.TurnAsync(3);

        Assert.Equal(["cache.test-a-1"], world.SignersOf(A, "x"));
        Assert.True((await world.Core.Caches.ListKeysAsync(A, None)).Keys[^1].Signing);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from verification"));
        // As a server that reads it does.
        await world.ExecuteAsync("update object set verified = true; delete from verification; insert into proof (object_id, occurring, partial) " +
            "select id, '{}', false from object where kind = 'nar'");
        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TurnAsync();
            return (await world.Core.Caches.ListKeysAsync(A, None)).Keys.All(k => !k.Signing);
        });
        Assert.Equal(["cache.test-a-1", "cache.test-a-2"], world.SignersOf(A, "x"));
    }
}
