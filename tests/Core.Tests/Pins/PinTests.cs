using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Pins.PinSteps;

namespace OrleansCache.Core.Tests.Pins;

/// <summary>What a pin is, with nothing going wrong.</summary>
public sealed class PinTests
{
    [Fact]
    public async Task A_pin_says_its_path_in_the_bucket_without_a_newline()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));

        var pin = await world.PinAsync("app", "b");

        Assert.Equal((1, true, 1), (pin.Revision, pin.Written, pin.KeepRevisions));
        Assert.Equal(World.Path("b").Path.ToString(), Encoding.UTF8.GetString(world.Store.Objects["pins/app"]));
        Assert.Equal(["app"], await world.PinNamesAsync());
    }

    [Fact]
    public async Task A_pin_that_is_moved_has_a_history_newest_first()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        foreach (var path in new[] { "a", "b", "c" })
            await world.PinAsync("app", path, keep: 2);

        var pin = await world.ShowAsync("app");

        Assert.Equal((3, "c", "c"), (pin.Revision, pin.Path.Name, world.BucketPin("app")));
        Assert.Equal([(3, "c", true), (2, "b", true), (1, "a", false)], pin.History!.Select(r => (r.Revision, r.Path.Name, r.Kept)));
        Assert.All(pin.History!, r => Assert.True(r.Present));
    }

    [Fact]
    public async Task Setting_the_path_that_a_pin_has_renews_it_and_drives_no_revision_out()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PinAsync("app", "a", keep: 2);
        await world.PinAsync("app", "b", life: TimeSpan.FromMinutes(1));

        var pin = await world.PinAsync("app", "b", life: TimeSpan.FromHours(1));
        await world.PinAsync("app", "b", life: TimeSpan.FromHours(1));

        Assert.Equal((2, 2), (pin.Revision, pin.KeepRevisions));
        Assert.True(pin.Expires > pin.Updated.AddMinutes(59));
        Assert.Equal("a b", await world.ProtectedAsync());
        Assert.Equal(2, world.Store.Writes.Count(w => w == "pins/app"));
    }

    [Fact]
    public async Task A_path_that_is_not_in_the_cache_cannot_be_pinned()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));

        foreach (var path in new[] { "a", "never-heard-of" })
        {
            var problem = await FailsAsync(ProblemKind.PathNotInCache, world.PinAsync("app", path));
            Assert.Equal([World.Hash(path)], problem.Paths!);
        }

        await world.AbortAsync(push);
        Assert.Empty(await world.PinNamesAsync());
    }

    [Fact]
    public async Task A_path_whose_closure_is_not_whole_cannot_be_pinned_and_the_pin_stays_as_it_was()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("c"));
        await world.PinAsync("app", "c");
        await world.ChangeAsync(
            "update store_path set state = 'condemned', touched = 0 where name = 'b'; update store_path set state = 'deleting' where name = 'a'");

        await FailsAsync(ProblemKind.PathNotInCache, world.PinAsync("app", "b"));

        Assert.Equal(("c", 1), ((await world.ShowAsync("app")).Path.Name, (await world.ShowAsync("app")).Revision));
        Assert.Equal("condemned", await world.StateOfAsync("b"));
    }

    [Fact]
    public async Task A_change_that_expects_another_revision_is_refused_and_tells_which_it_is()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "a", condition: PinCondition.AtRevision(1)));
        await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "a", condition: PinCondition.Present));
        await world.PinAsync("app", "a", condition: PinCondition.Absent);

        await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "b", condition: PinCondition.Absent));
        await world.PinAsync("app", "b", condition: PinCondition.AtRevision(1));
        var problem = await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "a", condition: PinCondition.AtRevision(1)));
        await FailsAsync(ProblemKind.PinChanged, world.RollbackAsync("app", condition: PinCondition.AtRevision(1)));
        await FailsAsync(ProblemKind.PinChanged, world.UnpinAsync("app", PinCondition.AtRevision(1)));

        Assert.Contains("revision 2", problem.Message, StringComparison.Ordinal);
        Assert.Equal("b", world.BucketPin("app"));
        Assert.True(await world.UnpinAsync("app", PinCondition.AtRevision(2)));
    }

    [Fact]
    public async Task Of_two_changes_that_expect_the_same_revision_one_is_done()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        await world.PinAsync("app", "a");
        var row = await world.HoldAsync("select 1 from pin for update");

        var changes = new[] { world.PinAsync("app", "b", condition: PinCondition.AtRevision(1)),
            world.PinAsync("app", "c", condition: PinCondition.AtRevision(1)) };
        await world.UntilBlockedAsync(2);
        await row.DisposeAsync();
        await Task.WhenAll(changes).ContinueWith(_ => { }, TaskScheduler.Default);

        Assert.Equal(1, changes.Count(c => c.IsCompletedSuccessfully));
        await FailsAsync(ProblemKind.PinChanged, changes[changes[0].IsFaulted ? 0 : 1]);
        Assert.Equal((await world.ShowAsync("app")).Path.Name, world.BucketPin("app"));
    }

    [Fact]
    public async Task A_deleted_pin_leaves_the_bucket_and_the_catalog()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PinAsync("app", "a");

        Assert.True(await world.UnpinAsync("app"));

        Assert.Null(world.BucketPin("app"));
        Assert.Equal(0, await world.QueryAsync<long>("select (select count(*) from pin) + (select count(*) from pin_revision)"));
        await FailsAsync(ProblemKind.UnknownPin, world.ShowAsync("app"));
        await FailsAsync(ProblemKind.UnknownPin, world.UnpinAsync("app"));
        await FailsAsync(ProblemKind.UnknownPin, world.RollbackAsync("app"));
    }

    [Fact]
    public async Task A_pin_that_is_made_again_goes_on_counting_so_that_an_old_condition_does_not_fit()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        var first = await world.PinAsync("app", "a");
        await world.UnpinAsync("app");

        var second = await world.PinAsync("app", "b");

        Assert.True(second.Revision > first.Revision);
        await FailsAsync(ProblemKind.PinChanged, world.PinAsync("app", "a", condition: PinCondition.AtRevision(first.Revision)));
        Assert.Equal("b", Assert.Single((await world.ShowAsync("app")).History!).Path.Name);
    }

    [Fact]
    public async Task A_pin_whose_time_is_over_is_deleted_by_the_housekeeper()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PinAsync("short", "a", life: TimeSpan.FromDays(30));
        await world.PinAsync("renewed", "a", life: TimeSpan.FromDays(30));
        await world.PinAsync("long", "a");

        await world.TravelAsync(TimeSpan.FromDays(29));
        await world.PinAsync("renewed", "a", life: TimeSpan.FromDays(30));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.Equal(["long", "renewed", "short"], await world.PinNamesAsync());
        await world.TravelAsync(TimeSpan.FromDays(2));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);

        Assert.Equal(["long", "renewed"], await world.PinNamesAsync());
        Assert.Null(world.BucketPin("short"));
        Assert.Equal("a", world.BucketPin("renewed"));
    }

    [Fact]
    public async Task Kept_revisions_are_protected_and_older_ones_are_not()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c", "d"));
        foreach (var path in new[] { "a", "b", "c" })
            await world.PinAsync("app", path, keep: 2);
        Assert.Equal("b c", await world.ProtectedAsync());

        await world.PinAsync("app", "d");

        Assert.Equal("c d", await world.ProtectedAsync());
        await world.PinAsync("app", "d", keep: 1);
        Assert.Equal("d", await world.ProtectedAsync());
    }

    [Fact]
    public async Task Keeping_more_revisions_promises_nothing_about_those_that_were_let_go()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c", "d"));
        foreach (var path in new[] { "a", "b", "c" })
            await world.PinAsync("app", path);

        await world.PinAsync("app", "c", keep: 3);
        Assert.Equal("c", await world.ProtectedAsync());
        await world.PinAsync("app", "d");

        Assert.Equal("c d", await world.ProtectedAsync());
    }

    [Fact]
    public async Task The_last_hundred_revisions_are_listed()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        for (var i = 0; i < 105; i++)
            await world.PinAsync("app", i % 2 == 0 ? "a" : "b", keep: 3);

        var history = (await world.ShowAsync("app")).History!;

        Assert.Equal((100, 105, 6), (history.Count, history[0].Revision, history[^1].Revision));
        Assert.Equal(3, history.Count(r => r.Kept));
    }

    [Theory]
    [InlineData(0.0, null)]
    [InlineData(-1.0, null)]
    [InlineData(double.NaN, null)]
    [InlineData(1e300, null)]
    [InlineData(null, 0)]
    [InlineData(null, 101)]
    public async Task What_cannot_be_kept_is_refused(double? expires, int? keep)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var request = new SetPin { Path = World.Path("a").Path, ExpiresSeconds = expires, KeepRevisions = keep };

        await FailsAsync(ProblemKind.BadRequest, world.Core.Pins.SetAsync(CacheName.Default, Name("app"), request, default,
            OperationId.New(), Patience, CancellationToken.None));
    }

    [Theory]
    [InlineData("a", true)]
    [InlineData("Prod-1.2_x", true)]
    [InlineData("...", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("a/b", false)]
    [InlineData("ä", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    public void A_pins_name_is_a_plain_word(string text, bool valid)
    {
        Assert.Equal(valid, PinName.TryParse(text, out var name));
        Assert.Equal(valid ? text : "", name.ToString());
        Assert.True(PinName.TryParse(new string('x', 255), out _));
        Assert.False(PinName.TryParse(new string('x', 256), out _));
    }
}
