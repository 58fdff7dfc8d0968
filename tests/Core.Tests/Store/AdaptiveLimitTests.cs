using OrleansCache.Core.Store;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

public sealed class AdaptiveLimitTests
{
    [Fact]
    public async Task One_more_than_the_limit_waits_until_a_place_is_given_back()
    {
        var limit = new AdaptiveLimit(2);
        await limit.AcquireAsync(default);
        await limit.AcquireAsync(default);
        var third = limit.AcquireAsync(default);
        Assert.False(third.IsCompleted);

        limit.Release(throttled: false);

        await third;
    }

    [Fact]
    public async Task One_round_of_slow_down_halves_it_once_and_success_brings_it_back()
    {
        var limit = new AdaptiveLimit(64);
        for (var i = 0; i < 64; i++)
            await limit.AcquireAsync(default);
        for (var i = 0; i < 64; i++)
            limit.Release(throttled: true);
        Assert.Equal(32, limit.Limit);

        for (var i = 0; i < 100; i++)
        {
            await limit.AcquireAsync(default);
            limit.Release(throttled: true);
        }

        Assert.Equal(1, limit.Limit);
        for (var i = 0; i < 64 * 64; i++)
        {
            await limit.AcquireAsync(default);
            limit.Release(throttled: false);
        }

        Assert.Equal(64, limit.Limit);
    }

    [Fact]
    public async Task Who_gives_up_waiting_takes_no_place()
    {
        var limit = new AdaptiveLimit(1);
        await limit.AcquireAsync(default);
        using var cancellationToken = new CancellationTokenSource();
        var impatient = limit.AcquireAsync(cancellationToken.Token);
        var patient = limit.AcquireAsync(default);

        await cancellationToken.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        limit.Release(throttled: false);

        await patient;
    }
}
