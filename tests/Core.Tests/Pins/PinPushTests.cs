using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Pins;

/// <summary>A pin that rides on a push: both or neither.</summary>
public sealed class PinPushTests
{
    [Fact]
    public async Task A_commit_sets_its_pin_and_the_bucket_has_it_when_it_answers()
    {
        await using var world = await World.CreateAsync();

        Assert.Equal(PushState.Committed, (await world.PushAsync(Pinned("a", "b"))).State);

        Assert.Equal("b", world.BucketPin("app"));
        var pin = await world.ShowAsync("app");
        Assert.Equal((1, 3, true), (pin.Revision, pin.KeepRevisions, pin.Written));
        Assert.True(pin.Expires > pin.Updated.AddSeconds(3_599));
    }

    [Fact]
    public async Task A_push_tells_its_pin_before_and_after_the_commit()
    {
        await using var world = await World.CreateAsync();
        var (push, plain) = (await world.BeginAsync(Pinned("a", "b")), await world.BeginAsync(World.Chain("a", "b")));
        Assert.Equal("app", $"{await world.Pushes.PinAsync(CacheName.Default, World.Id(push), CancellationToken.None)}");
        Assert.Null(await world.Pushes.PinAsync(CacheName.Default, World.Id(plain), CancellationToken.None));

        await world.UploadAsync(push);
        await world.CommitAsync(push);

        Assert.Equal("app", $"{await world.Pushes.PinAsync(CacheName.Default, World.Id(push), CancellationToken.None)}");
    }

    [Fact]
    public async Task A_push_of_what_is_there_already_sets_its_pin_too()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PinAsync("app", "a");

        var push = await world.BeginAsync(Pinned("a", "b"));
        Assert.Empty(push.Missing);
        await world.CommitAsync(push);

        Assert.Equal(("b", 2), (world.BucketPin("app"), (await world.ShowAsync("app")).Revision));
    }

    [Fact]
    public async Task A_commit_that_lacks_a_path_sets_no_pin()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Pinned("a", "b"));

        await FailsAsync(ProblemKind.MissingPaths, world.CommitAsync(push));

        Assert.Empty(await world.PinNamesAsync());
        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from root"));
    }

    [Fact]
    public async Task The_pin_is_set_at_the_moment_the_closure_becomes_a_root_and_not_before()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Pinned("a", "b"));
        await world.UploadAsync(push);
        world.Store.OnWrite = (_, key) => Task.FromResult(key.ToString().StartsWith(World.Hash("b").ToString(), StringComparison.Ordinal)
            ? Answer.Dropped : Answer.Normal);

        Assert.Equal(PushState.Committing, (await world.CommitAsync(push, patience: TimeSpan.Zero)).State);
        await Eventually.BecomesTrueAsync(async () =>
            await world.QueryAsync<bool>("select count(*) filter (where recorded) = 1 from store_path"));
        Assert.Equal(0, await world.QueryAsync<long>("select (select count(*) from pin) + (select count(*) from root)"));
        world.Store.OnWrite = (_, _) => Task.FromResult(Answer.Normal);
        await PassFencesUntilAsync(world, world.CommitAsync(push));

        Assert.Equal(2, await world.QueryAsync<long>("select (select count(*) from pin) + (select count(*) from root)"));
        Assert.Equal("b", world.BucketPin("app"));
    }

    [Fact]
    public async Task A_commit_that_is_sent_again_leaves_a_pin_that_was_moved_on_alone()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Pinned("a", "b"));
        await world.UploadAsync(push);
        await world.CommitAsync(push);
        await world.PinAsync("app", "a");

        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        Assert.Equal(("a", 2), (world.BucketPin("app"), (await world.ShowAsync("app")).Revision));
        await world.UnpinAsync("app");
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);

        Assert.Null(world.BucketPin("app"));
    }

    [Fact]
    public async Task A_process_that_dies_between_the_halves_of_a_commit_is_followed_to_the_pin()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(Pinned("a", "b"));
        await world.UploadAsync(push);
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{push.Id}', null, true), interval '15 s')");

        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TravelAsync(TimeSpan.FromMinutes(1));
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
            return world.BucketPin("app") == "b";
        });

        Assert.Equal("committed", await world.QueryAsync<string>("select state::text from push"));
    }

    [Fact]
    public async Task A_process_that_dies_after_the_commit_and_before_the_pins_write_is_followed_by_the_housekeeper()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var push = await world.BeginAsync(Pinned("a", "b"));
        await world.ExecuteAsync(
            $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{push.Id}', null, true), interval '15 s')");
        Assert.Equal((null, 1), (world.BucketPin("app"), (await world.ShowAsync("app")).Revision));

        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal("b", world.BucketPin("app"));
    }

    [Fact]
    public async Task A_commit_whose_pin_is_not_in_the_bucket_yet_says_so_and_may_be_asked_again()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var push = await world.BeginAsync(Pinned("a", "b"));
        var answer = Answer.Lost;
        world.Store.OnWrite = (_, _) => Task.FromResult(answer);

        Assert.Equal(PushState.Committing, (await world.CommitAsync(push, patience: TimeSpan.Zero)).State);
        await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<bool>("select fence is not null from pin"));
        answer = Answer.Normal;
        await PassFencesUntilAsync(world, world.CommitAsync(push));

        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        Assert.Equal(1, (await world.ShowAsync("app")).Revision);
    }

    [Fact]
    public async Task A_push_with_a_pin_has_exactly_one_root_and_sound_wishes()
    {
        await using var world = await World.CreateAsync();
        var closure = Pinned("a", "b");

        await FailsAsync(ProblemKind.BadRequest, world.BeginAsync(closure with { Roots = [World.Hash("a"), World.Hash("b")] }));
        await FailsAsync(ProblemKind.BadRequest, world.BeginAsync(closure with { Pin = closure.Pin! with { KeepRevisions = 0 } }));
        await FailsAsync(ProblemKind.BadRequest, world.BeginAsync(closure with { Pin = closure.Pin! with { ExpiresSeconds = -1 } }));

        Assert.Equal(0, await world.QueryAsync<long>("select count(*) from push"));
    }

    [Fact]
    public async Task The_pin_belongs_to_the_request_that_the_key_was_used_for()
    {
        await using var world = await World.CreateAsync();
        var closure = Pinned("a", "b");
        var push = await world.BeginAsync(closure, "one");

        await FailsAsync(ProblemKind.KeyReused, world.BeginAsync(closure with { Pin = null }, "one"));
        await FailsAsync(ProblemKind.KeyReused, world.BeginAsync(closure with { Pin = closure.Pin! with { Name = Name("other") } }, "one"));

        Assert.Equal(push.Id, (await world.BeginAsync(closure, "one")).Id);
    }

    private static BeginPush Pinned(params string[] names) =>
        World.Chain(names) with { Pin = new PushPin { Name = Name("app"), KeepRevisions = 3, ExpiresSeconds = 3_600 } };

    // Time is the database's; what waits for a fence polls.
    private static Task PassFencesUntilAsync(World world, Task commit) => Eventually.BecomesTrueAsync(async () =>
    {
        if (!commit.IsCompleted)
            await world.TravelAsync(TimeSpan.FromSeconds(30));
        return commit.IsCompleted;
    });
}
