using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Caches;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Caches.CachesWorld;
using static OrleansCache.Core.Tests.Caches.ManyCachesTests;

namespace OrleansCache.Core.Tests.Promotions;

/// <summary>Stages: private caches that take from a parent what need not be uploaded, and give nothing back by themselves.</summary>
public sealed class StageTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly CacheName Stage = Name("pr");

    [Fact]
    public async Task A_push_uploads_only_what_the_parent_has_not_and_the_parent_learns_nothing()
    {
        await using var world = await StagedAsync();
        await world.PushAsync(A, World.Chain("x", "y"));
        var before = world.StoreOf(A).Objects.Keys.Order(StringComparer.Ordinal).ToList();

        var push = await world.BeginAsync(Stage, World.Chain("x", "y", "z"));

        Assert.Equal([("x", PathState.Stored), ("y", PathState.Stored), ("z", PathState.Upload)],
            push.Missing.OrderBy(m => NameOf(m), StringComparer.Ordinal).Select(m => (NameOf(m), m.State)));
        Assert.Equal(push.Missing.Single(m => m.State == PathState.Upload).Upload, Assert.Single(push.Uploads).Id);
        await world.UploadAsync(Stage, push);
        Assert.Equal(3, (await world.Core.Pushes.CommitAsync(Stage, World.Id(push), TimeSpan.FromSeconds(30), None)).Published);
        Assert.Equal("", await FsckAsync(world.Core, Stage));
        Assert.Empty(world.StoreOf(Stage).OpenMultiparts);
        Assert.Equal(before, world.StoreOf(A).Objects.Keys.Order(StringComparer.Ordinal));
        Assert.DoesNotContain("pr", (await world.Core.Audit.ReadAsync(A, new AuditQuery(), None)).Lines.Select(l => l.Detail?.ToString()));

        // Until somebody promotes it: only what is new is copied.
        var promoted = await world.Core.Promotions.PromoteAsync(A, new PromoteRequest { From = "pr", Paths = [World.Hash("z")] }, Caller.Server,
            OperationId.New(), static _ => { }, None);
        Assert.Equal((2, 1), (promoted.Present, promoted.Copied));

        static string NameOf(PathStatus status) => ((string[])["x", "y", "z"]).Single(n => World.Hash(n) == status.Path);
    }

    [Fact]
    public async Task What_a_private_parent_has_or_has_with_other_contents_is_uploaded()
    {
        await using var world = await StagedAsync();
        await world.PushAsync(A, World.Chain("x"));

        var other = await world.BeginAsync(Stage, World.Closure(World.Path("x", content: "another build")));
        await world.SetAsync(A, new JsonObject { ["private"] = true });
        var hidden = await world.BeginAsync(Stage, World.Chain("x"));

        Assert.Single(other.Uploads);
        Assert.Single(hidden.Uploads);
        Assert.Empty(world.StoreOf(Stage).Copies);
    }

    [Fact]
    public async Task A_copy_that_fails_or_has_no_source_any_more_is_uploaded()
    {
        await using var world = await StagedAsync();
        await world.PushAsync(A, World.Chain("x", "y", "z"));
        var (gone, bad) = (world.NarInfoOf(A, "x")!.Url, world.NarInfoOf(A, "y")!.Url);
        world.StoreOf(A).Objects.TryRemove(gone, out _);
        world.StoreOf(Stage).OnCopy = key => key.ToString() == bad
            ? throw new Core.Store.ObjectStoreException("the store fails at this one", isTransient: true) : Task.CompletedTask;

        var push = await world.BeginAsync(Stage, World.Chain("x", "y", "z"));

        var states = push.Missing.ToDictionary(m => m.Path, m => m.State);
        Assert.Equal((PathState.Upload, PathState.Wait, PathState.Stored),
            (states[World.Hash("x")], states[World.Hash("y")], states[World.Hash("z")]));
        // What may have been written is given up; who asks again gets a key of its own.
        var again = await world.Core.Pushes.As(Caller.Server).WaitAsync(Stage, World.Id(push),
            new WaitRequest { Paths = [World.Hash("y")], TimeoutSeconds = 0 }, None);
        Assert.Equal(PathState.Upload, Assert.Single(again.Paths).State);
        await world.UploadAsync(Stage, push);
        await world.UploadAsync(Stage, new PushOpened
        {
            Id = push.Id,
            Expires = push.Expires,
            RenewAfterSeconds = 1,
            Present = 0,
            Uploads = again.Uploads
        });
        Assert.Equal(3, (await world.Core.Pushes.CommitAsync(Stage, World.Id(push), TimeSpan.FromSeconds(30), None)).Published);
        Assert.Equal("", await FsckAsync(world.Core, Stage));
    }

    [Fact]
    public async Task A_stage_is_private_keeps_for_a_week_and_stays_a_stage_of_its_parent_which_stays_too()
    {
        await using var world = await StagedAsync();

        Assert.True((await world.Core.Caches.ShowAsync(Stage, None)).Settings.IsPrivate);
        var run = await world.Core.Collection.StartAsync(Stage, new GcRequest { DryRun = true }, OperationId.New(), None);
        Assert.Equal(7 * 86_400, run.OlderThanSeconds);
        await BadAsync("is a stage itself", () => world.MakeAsync(B, Of("pr")));
        await BadAsync("no cache 'nowhere'", () => world.MakeAsync(B, Of("nowhere")));
        await BadAsync("private is not false", () => world.MakeAsync(B, new JsonObject { ["stageOf"] = "a", ["private"] = false }));
        await BadAsync("private is not false", () => world.SetAsync(Stage, new JsonObject { ["private"] = false }));
        await BadAsync("stays so", () => world.SetAsync(Stage, new JsonObject { ["stageOf"] = null }));
        await BadAsync("stays so", () => world.SetAsync(A, Of("default")));
        foreach (var force in (bool[])[false, true])
            await RefusedAsync(ProblemKind.CacheInUse, () => world.Core.Caches.DeleteAsync(A, force, Caller.Server, None));

        await world.Core.Caches.DeleteAsync(Stage, force: true, Caller.Server, None);
        await world.Core.Caches.DeleteAsync(A, force: true, Caller.Server, None);

        static async Task BadAsync(string why, Func<Task> change) =>
            Assert.Contains(why, (await RefusedAsync(ProblemKind.BadRequest, change)).Message, StringComparison.Ordinal);
    }

    private static JsonObject Of(string parent) => new() { ["stageOf"] = parent };

    private static async Task<CachesWorld> StagedAsync()
    {
        var world = await CreateAsync(A);
        await world.MakeAsync(Stage, Of("a"));
        return world;
    }
}
