using OrleansCache.Gateway.Tls;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>Looks at files go on whatever happens.</summary>
public class RegularLookTests
{
    private readonly TimerClock _clock = new();
    private readonly ListLog _log = new();

    [Fact]
    public async Task A_look_that_fails_in_a_way_nobody_foresaw_is_told_and_the_next_one_comes()
    {
        var looks = 0;
        await using var look = new RegularLook(() =>
        {
            if (Interlocked.Increment(ref looks) == 1)
                throw new InvalidOperationException("unforeseen");
        }, _log, _clock);

        await Eventually.BecomesTrueAsync(() =>
        {
            _clock.Move(TimeSpan.FromSeconds(5));
            return Volatile.Read(ref looks) >= 3;
        });

        Assert.Contains("a look at files of TLS failed", Assert.Single(_log.Lines), StringComparison.Ordinal);
    }
}
