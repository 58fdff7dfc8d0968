using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Http;

public class BodyBudgetTests
{
    private readonly TimerClock _clock = new();

    [Fact]
    public async Task Who_finds_it_full_goes_on_when_another_ends()
    {
        var budget = new BodyBudget(new RequestLimits { BodyBytes = 100 }, _clock);
        using var first = budget.Open("a");
        using var second = budget.Open("b");
        await first.TakeAsync(50, default);
        await second.TakeAsync(40, default);

        var waiting = second.TakeAsync(20, default).AsTask();
        Assert.False(waiting.IsCompleted);
        Assert.Equal(90, budget.Used);

        first.Dispose();
        await waiting;
        Assert.Equal(60, budget.Used);
    }

    [Fact]
    public async Task Who_waits_too_long_is_told_to_come_back_and_leaves_nothing_behind()
    {
        var budget = new BodyBudget(new RequestLimits { BodyBytes = 100 }, _clock);
        using var first = budget.Open("a");
        using var second = budget.Open("b");
        await first.TakeAsync(200, default);

        var waiting = second.TakeAsync(1, default).AsTask();
        _clock.Move(BodyBudget.Patience);

        Assert.Equal(ProblemKind.Unavailable, (await Assert.ThrowsAsync<CacheProblemException>(() => waiting)).Kind);
        second.Dispose();
        first.Dispose();
        Assert.Equal(0, budget.Used);
    }

    [Fact]
    public async Task Two_that_need_what_the_other_has_both_come_to_an_end()
    {
        var budget = new BodyBudget(new RequestLimits { BodyBytes = 100 }, _clock);
        using var first = budget.Open("a");
        using var second = budget.Open("b");
        await first.TakeAsync(50, default);
        await second.TakeAsync(50, default);

        var later = second.TakeAsync(50, default).AsTask();
        await first.TakeAsync(50, default);
        first.Settle(20);
        var behind = first.TakeAsync(100, default).AsTask();
        Assert.False(behind.IsCompleted);
        await later;

        Assert.Equal(120, budget.Used);
    }

    [Fact]
    public async Task What_is_kept_of_bodies_that_have_been_read_bounds_those_that_come()
    {
        var budget = new BodyBudget(new RequestLimits { BodyBytes = 100 }, _clock);
        using var large = budget.Open("a");
        await large.TakeAsync(300, default);
        large.Settle(300);
        using var next = budget.Open("b");

        var waiting = next.TakeAsync(10, default).AsTask();

        Assert.False(waiting.IsCompleted);
        large.Dispose();
        await waiting;
    }

    [Fact]
    public async Task One_client_leaves_half_to_the_others()
    {
        var budget = new BodyBudget(new RequestLimits { BodyBytes = 100 }, _clock);
        var greedy = Enumerable.Range(0, 4).Select(_ => budget.Open("greedy")).ToList();
        await greedy[0].TakeAsync(30, default);
        await greedy[1].TakeAsync(20, default);
        var more = greedy[2].TakeAsync(20, default).AsTask();
        using var other = budget.Open("other");

        await other.TakeAsync(40, default);

        Assert.False(more.IsCompleted);
        greedy[1].Dispose();
        Assert.True(more.IsCompletedSuccessfully || await Task.WhenAny(more, Task.Delay(TimeSpan.FromSeconds(30))) == more);
    }

    [Fact]
    public async Task Who_gives_up_waiting_takes_nothing()
    {
        var budget = new BodyBudget(new RequestLimits { BodyBytes = 100 }, _clock);
        using var first = budget.Open("a");
        using var second = budget.Open("b");
        await first.TakeAsync(100, default);
        using var cancellationToken = new CancellationTokenSource();
        var waiting = second.TakeAsync(20, cancellationToken.Token).AsTask();

        await cancellationToken.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        first.Dispose();
        Assert.Equal(0, budget.Used);
    }
}
