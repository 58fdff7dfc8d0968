using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Withdraw.Withdrawing;

namespace OrleansCache.Core.Tests.Withdraw;

/// <summary>Evictions whose server dies between two steps, and evictions in the midst of a collection.</summary>
public sealed class WithdrawScheduleTests
{
    public static TheoryData<string> Steps =>
    [
        "withdraw_waits", "withdraw_users", "withdraw_referrers", "withdraw_add", "withdraw_close", "withdraw_condemn", "withdraw_sweep",
            "delete_take_paths", "delete_record_paths",
        "withdraw_used", "withdraw_objects", "withdraw_end",
    ];

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task Another_server_goes_on_with_an_eviction_whose_server_died(string step)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b", "c"));
        await world.PushAsync(World.Chain("d"));
        await world.PinAsync("app", "c");
        var dying = await world.AddGatewayAsync();
        var (begun, dead) = (false, false);
        dying.Database.BeforeStatement = (sql, _) =>
        {
            // The selection asks for those who have the same bytes, too.
            dead |= begun && sql.Contains(step, StringComparison.Ordinal);
            begun |= sql.Contains("withdraw_start", StringComparison.Ordinal);
            return dead ? throw new InvalidOperationException("killed") : Task.CompletedTask;
        };

        await Assert.ThrowsAsync<InvalidOperationException>(() => world.EvictAsync(Of("a"), dying));
        await world.ResumeAsync();

        Assert.Equal("gone gone gone live", await world.StatesAsync("a", "b", "c", "d"));
        Assert.NotNull((await world.ShowAsync("app")).BrokenSince);
        await world.AssertWholeAsync();
    }

    [Fact]
    public async Task What_was_collected_and_came_back_with_another_content_since_the_bar_is_not_meant()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        var dying = await world.AddGatewayAsync();
        var dead = false;
        dying.Database.BeforeStatement = (sql, _) => (dead |= sql.Contains("withdraw_waits", StringComparison.Ordinal))
            ? throw new InvalidOperationException("killed") : Task.CompletedTask;
        await Assert.ThrowsAsync<InvalidOperationException>(() => world.EvictAsync(Of("a"), dying));
        await world.CollectAsync(World.Everything);
        await world.PushAsync(World.Closure(World.Path("a", content: "another")));

        await world.ResumeAsync();

        Assert.Equal("live", await world.StateOfAsync("a"));
        await world.AssertSoundAsync();
    }

    [Theory]
    [InlineData("gc_barrier")]
    [InlineData("snapshot")]
    [InlineData("gc_condemn_paths")]
    [InlineData("gc_condemned")]
    [InlineData("gc_sweep_paths")]
    [InlineData("gc_sweep_objects")]
    public async Task A_collection_under_way_meets_an_eviction(string step)
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("a", "c"));
        await world.PushAsync(World.Chain("d"));
        await world.PinAsync("app", "c");
        await world.PinAsync("other", "d");
        var collector = await world.AddGatewayAsync();
        var evicted = 0;
        collector.Database.BeforeStatement = async (sql, _) =>
        {
            if (sql.Contains(step, StringComparison.Ordinal) && Interlocked.Exchange(ref evicted, 1) == 0)
                await world.EvictAsync("a");
        };

        Assert.Equal(GcState.Done, (await world.CollectAsync(World.Everything, collector)).State);

        Assert.Equal(1, evicted);
        Assert.Equal("gone gone gone live", await world.StatesAsync("a", "b", "c", "d"));
        await world.AssertWholeAsync();
    }
}
