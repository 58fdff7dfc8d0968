using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Caches;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Promotions;

/// <summary>What stages of a cache agree on goes there by itself, and nothing else does.</summary>
public sealed class AgreementTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly CacheName Red = Name("red"), Blue = Name("blue");
    private static readonly Caller OfRed = new("token:1", "red", 0), OfBlue = new("token:2", "blue", 0);
    private static readonly TextNar X = new("x", "a library"), Y = TextNar.Mentioning("y", "x"), Z = TextNar.Mentioning("z", "y");
    private static readonly BeginPush Xyz = World.Closure(X.Path(), Y.Path("x"), Z.Path("y"));

    [Fact]
    public async Task What_enough_stages_say_alike_is_everybodys_once_without_a_hand()
    {
        await using var world = await StagedAsync(Red, Blue);
        await PushAsync(world, Red, OfRed, Xyz, X, Y, Z);
        await AgreeAsync(world);
        Assert.Empty(world.StoreOf(A).NarInfos);
        Assert.Equal([("x", ConflictReason.Votes, 1), ("y", ConflictReason.Votes, 1), ("z", ConflictReason.Votes, 1)], await AllAsync(world));

        await PushAsync(world, Blue, OfBlue, Xyz, X, Y, Z);
        await AgreeAsync(world);

        Assert.Equal(3, world.StoreOf(A).NarInfos.Count());
        var key = PublicKey.Parse(Assert.Single((await world.Core.Caches.ShowAsync(A, None)).PublicKeys));
        Assert.True(world.NarInfoOf(A, "z")!.Verify(key));
        Assert.Equal("", await FsckAsync(world.Core, A));
        Assert.Empty(await AllAsync(world));
        var commit = Assert.Single((await world.Core.Audit.ReadAsync(A, new AuditQuery(Action: "promote"), None)).Lines);
        Assert.Equal("agreement", commit.Publisher);
        await AgreeAsync(world);
        Assert.Single((await world.Core.Audit.ReadAsync(A, new AuditQuery(Action: "promote"), None)).Lines);
    }

    [Fact]
    public async Task What_differs_stays_with_all_that_refers_to_it_until_a_person_promotes_it()
    {
        await using var world = await StagedAsync(Red, Blue);
        var other = new TextNar("y", $"another build with {World.Hash("x")}");
        await PushAsync(world, Red, OfRed, Xyz, X, Y, Z);
        await PushAsync(world, Blue, OfBlue, World.Closure(X.Path(), other.Path("x"), Z.Path("y")), X, other, Z);

        await AgreeAsync(world);

        Assert.Equal([Key("x")], world.StoreOf(A).NarInfos.Select(n => n.ToString()));
        Assert.Equal([("y", ConflictReason.Differs, 1), ("z", ConflictReason.Waits, 2)], await AllAsync(world));
        var conflict = Assert.Single((await world.Core.Promotions.ConflictsAsync(A, null, false, 10, None)).Conflicts);
        Assert.Equal([("blue", "token:2", other.Path().NarHash), ("red", "token:1", Y.Path().NarHash)],
            conflict.Contents.Select(c => (Assert.Single(c.Caches), Assert.Single(c.Publishers), c.NarHash)).OrderBy(c => c.Item1));
        var page = await world.Core.Promotions.ConflictsAsync(A, null, true, 1, None);
        Assert.Single((await world.Core.Promotions.ConflictsAsync(A, page.After, true, 10, None)).Conflicts);

        await PromoteAsync(world, Red, "y");
        await AgreeAsync(world);

        Assert.Equal(3, world.StoreOf(A).NarInfos.Count());
        Assert.Equal(Y.Path().NarHash, world.NarInfoOf(A, "y")!.NarHash);
        // It is still no build that everybody repeats.
        Assert.Equal([("y", ConflictReason.Differs, 1)], await AllAsync(world));
        Assert.Equal("", await FsckAsync(world.Core, A));
    }

    [Fact]
    public async Task Nobody_votes_twice()
    {
        var green = Name("green");
        await using var world = await StagedAsync(Red, Blue, green);
        // Two tokens of one stage, and one identity that two stages know by other rules.
        await PushAsync(world, Red, new Caller("oidc:builders/77", "red", 0), Xyz, X, Y, Z);
        await PushAsync(world, Red, new Caller("token:9", "other", 0), Xyz);
        await PushAsync(world, Blue, new Caller("oidc:all+builders/77", "blue", 0), Xyz, X, Y, Z);
        await AgreeAsync(world);
        Assert.Empty(world.StoreOf(A).NarInfos);
        Assert.All(await AllAsync(world), c => Assert.Equal((ConflictReason.Votes, 1), (c.Reason, c.Votes)));

        await PushAsync(world, green, new Caller("oidc:builders/78", "green", 0), Xyz, X, Y, Z);
        await AgreeAsync(world);

        Assert.Equal(3, world.StoreOf(A).NarInfos.Count());
    }

    [Fact]
    public async Task What_no_server_has_read_and_what_the_blocked_say_is_no_vote()
    {
        await using var world = await StagedAsync(Red, Blue);
        await PushAsync(world, Red, OfRed, Xyz, X, Y, Z);
        await PushAsync(world, Blue, OfBlue, Xyz, X, Y, Z);
        await world.ExecuteAsync("update store_path set verified = false where name = 'x' and cache_id = (select id from cache where name = 'red')");
        await world.Core.Subjects.BlockAsync(Blue, new BlockSubjects { Pattern = "token:2" }, Caller.Server, None);

        await AgreeAsync(world);

        Assert.Empty(world.StoreOf(A).NarInfos);
        Assert.Equal([("x", ConflictReason.Votes, 0), ("y", ConflictReason.Votes, 1), ("z", ConflictReason.Votes, 1)], await AllAsync(world));
        await world.ExecuteAsync("update store_path set verified = true");
        var block = Assert.Single((await world.Core.Subjects.ListAsync(Blue, false, None)).Blocks);
        await world.Core.Subjects.UnblockAsync(Blue, block.Id, Caller.Server, None);
        await AgreeAsync(world);
        Assert.Equal(3, world.StoreOf(A).NarInfos.Count());
    }

    [Fact]
    public async Task What_a_promotion_key_has_signed_needs_no_votes_and_what_another_has_signed_does()
    {
        await using var world = await StagedAsync(Red, Blue);
        var (key, stranger) = (SecretKey.Generate("release-1"), SecretKey.Generate("release-1"));
        var own = Assert.Single((await world.Core.Caches.ShowAsync(Blue, None)).PublicKeys);
        await world.SetAsync(Blue, new JsonObject { ["promotionKeys"] = new JsonArray(key.PublicKey.ToString(), own) });
        await PushAsync(world, Red, OfRed, Xyz, X, Y, Z);
        var other = new TextNar("y", $"another build with {World.Hash("x")}");
        var (x, y, z) = (X.Path(), other.Path("x"), Z.Path("y"));
        await PushAsync(world, Blue, OfBlue, World.Closure(Signed(x, key), Signed(y, stranger), Signed(z, key)), X, other, Z);

        await AgreeAsync(world);
        Assert.Equal([Key("x")], world.StoreOf(A).NarInfos.Select(n => n.ToString()));

        await PushAsync(world, Blue, OfBlue, World.Closure(Signed(x, key), Signed(y, key), Signed(z, key)));
        await AgreeAsync(world);

        Assert.Equal(other.Path().NarHash, world.NarInfoOf(A, "y")!.NarHash);
        Assert.Equal(3, world.StoreOf(A).NarInfos.Count());
    }

    [Fact]
    public async Task A_signature_that_somebody_has_seen_takes_no_bytes_along_that_no_server_has_read()
    {
        await using var world = await CreateAsync(A);
        var key = SecretKey.Generate("release-1");
        await world.MakeAsync(Red, new JsonObject { ["stageOf"] = "a", ["promotionKeys"] = new JsonArray(key.PublicKey.ToString()) });
        Assert.Equal("always", await world.QueryAsync<string>("select verify from cache where name = 'red'"));
        await PushAsync(world, Red, OfRed, World.Closure(Signed(X.Path(), key)), X);
        await world.ExecuteAsync("update object set verified = false; update store_path set verified = false");

        await AgreeAsync(world);
        Assert.Empty(world.StoreOf(A).NarInfos);

        await world.ExecuteAsync("update object set verified = true; update store_path set verified = true");
        await AgreeAsync(world);
        Assert.Single(world.StoreOf(A).NarInfos);
    }

    [Fact]
    public async Task Nobody_gets_into_the_group_that_agreed_paths_are_pushed_by()
    {
        await using var world = await CreateAsync(A);

        await RefusedAsync(ProblemKind.BadRequest, () => world.Core.Tokens.CreateAsync(A,
            new CreateToken { Name = "t", Scopes = [TokenScope.Push], Group = Caller.Agreement.Group }, None));
    }

    [Fact]
    public async Task What_the_cache_has_otherwise_or_has_taken_back_stays_as_it_is()
    {
        await using var world = await StagedAsync(Red, Blue);
        var other = new TextNar("x", "an older build");
        await PushAsync(world, A, OfRed, World.Closure(other.Path()), other);
        await PushAsync(world, Red, OfRed, Xyz, X, Y, Z);
        await PushAsync(world, Blue, OfBlue, Xyz, X, Y, Z);
        await AgreeAsync(world);
        Assert.Equal(other.Path().NarHash, world.NarInfoOf(A, "x")!.NarHash);
        Assert.Equal(3, world.StoreOf(A).NarInfos.Count());
        Assert.Equal([("x", ConflictReason.Differs, 2)], await AllAsync(world));

        await world.Core.Withdrawals.EvictAsync(A, new EvictRequest { Paths = [World.Hash("y")] }, Caller.Server, OperationId.New(),
            TimeSpan.FromSeconds(30), None);
        await AgreeAsync(world);

        Assert.Equal([Key("x")], world.StoreOf(A).NarInfos.Select(n => n.ToString()));
        Assert.Equal([("x", ConflictReason.Differs, 2), ("y", ConflictReason.Barred, 2), ("z", ConflictReason.Waits, 2)],
            await AllAsync(world));
    }

    [Fact]
    public async Task A_closure_that_changes_while_it_is_compared_does_not_go_and_its_neighbours_do()
    {
        await using var world = await StagedAsync(Red, Blue);
        var alone = new TextNar("alone", "needs nothing");
        foreach (var (stage, caller) in ((CacheName, Caller)[])[(Red, OfRed), (Blue, OfBlue)])
        {
            await PushAsync(world, stage, caller, Xyz, X, Y, Z);
            await PushAsync(world, stage, caller, World.Closure(alone.Path()), alone);
        }

        var isChanged = false;
        world.Core.Database.BeforeStatement = async (sql, _) =>
        {
            if (isChanged || !sql.Contains("taken_paths", StringComparison.Ordinal))
                return;
            isChanged = true;
            await world.ExecuteAsync(
                "update store_path set declared = '\\x00' where name = 'y' and cache_id = (select id from cache where name = 'blue')");
        };
        await AgreeAsync(world);

        Assert.True(isChanged);
        Assert.Equal([true, true, false, false],
            ((string[])["alone", "x", "y", "z"]).Select(name => world.NarInfoOf(A, name) is not null));
    }

    [Fact]
    public async Task Wrong_settings_are_refused_and_a_stage_that_votes_has_its_NARs_read()
    {
        await using var world = await CreateAsync(A);
        await BadAsync("setting of a stage", new JsonObject { ["agreement"] = 2 });
        await BadAsync("setting of a stage", new JsonObject { ["promotionKeys"] = new JsonArray("k:x") });
        await BadAsync("from 2 to 100", new JsonObject { ["stageOf"] = "a", ["agreement"] = 1 });
        await BadAsync("leave it by themselves", new JsonObject { ["stageOf"] = "a", ["agreement"] = 2, ["verify"] = "adopt" });
        await BadAsync("public keys", new JsonObject { ["stageOf"] = "a", ["promotionKeys"] = new JsonArray("k:x") });
        await world.MakeAsync(Red, Voting());

        Assert.Equal("always", (await world.Core.FindCacheAsync(Red, None))!.VerifyPolicy);
        Assert.Equal("always", await world.QueryAsync<string>("select verify from cache where name = 'red'"));
        var push = await world.Core.Pushes.As(OfRed).BeginAsync(Red, World.Closure(X.Path()), OperationId.New(), None);
        await world.UploadAsync(Red, push, caller: OfRed);
        await RefusedAsync(ProblemKind.Forbidden, () => world.Core.Caches.SetAsync(Red, new JsonObject { ["agreement"] = null },
            isOperator: false, OfRed, None));

        async Task BadAsync(string why, JsonObject settings) => Assert.Contains(why,
            (await RefusedAsync(ProblemKind.BadRequest, () => world.MakeAsync(B, settings))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Servers_compare_by_turns_and_only_after_a_push()
    {
        await using var world = await StagedAsync(Red, Blue);
        await PushAsync(world, Red, OfRed, Xyz, X, Y, Z);
        await PushAsync(world, Blue, OfBlue, Xyz, X, Y, Z);
        await AgreeAsync(world);
        await world.ExecuteAsync("update push set finished = finished - interval '1 minute'");
        Assert.False(await IsDueAsync());

        await PushAsync(world, Red, OfRed, World.Closure(new TextNar("new", "new").Path()), new TextNar("new", "new"));
        Assert.True(await IsDueAsync());
        Assert.False(await IsDueAsync());
        await world.ExecuteAsync("update cache set agreement_lease = clock_timestamp() - interval '1 second'");
        Assert.True(await IsDueAsync());

        Task<bool> IsDueAsync() => world.QueryAsync<bool>(
            "select @fn@.take_comparison(c.id, interval '1 minute', interval '10 minutes', interval '15 seconds') is not null from cache c where c.name = 'a'");
    }

    private static Task AgreeAsync(CachesWorld world) => world.Core.RunAgreementAsync(None);

    private static async Task<List<(string Name, ConflictReason Reason, int Votes)>> AllAsync(CachesWorld world) =>
        [.. (await world.Core.Promotions.ConflictsAsync(A, null, true, 100, None)).Conflicts
            .Select(c => (c.Path.Name, c.Reason, c.Votes)).OrderBy(c => c.Name, StringComparer.Ordinal)];

    private static Task<Promotion> PromoteAsync(CachesWorld world, CacheName from, string path) => world.Core.Promotions.PromoteAsync(A,
        new PromoteRequest { From = from.ToString(), Paths = [World.Hash(path)] }, Caller.Server, OperationId.New(), static _ => { }, None);

    private static string Key(string path) => $"{World.Hash(path)}.narinfo";

    private static PathDeclaration Signed(PathDeclaration path, SecretKey key)
    {
        var references = path.References.Select(r => new StorePath(r, ((string[])["x", "y", "z"]).Single(n => World.Hash(n) == r))).ToList();
        return path with { Signatures = [key.Sign(NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, references))] };
    }

    private static JsonObject Voting() => new() { ["stageOf"] = "a", ["agreement"] = 2 };

    private static async Task<CachesWorld> StagedAsync(params CacheName[] stages)
    {
        var world = await CreateAsync(A);
        foreach (var stage in stages)
            await world.MakeAsync(stage, Voting());
        return world;
    }

    private static async Task PushAsync(CachesWorld world, CacheName cache, Caller caller, BeginPush closure, params TextNar[] nars)
    {
        var pushes = world.Core.Pushes.As(caller);
        var push = await pushes.BeginAsync(cache, closure, OperationId.New(), None);
        await world.UploadAsync(cache, push, caller: caller, bodies: push.Missing.Where(m => m.Upload is not null).DistinctBy(m => m.Upload)
            .ToDictionary(m => m.Upload!, m => Assert.Single(nars, n => n.Hash == m.Path).File));
        CommitAnswer answer;
        do
        {
            await world.Core.RunVerificationAsync(None);
            answer = await pushes.CommitAsync(cache, World.Id(push), TimeSpan.FromMilliseconds(100), None);
        }
        while (answer.State != PushState.Committed);
    }
}
