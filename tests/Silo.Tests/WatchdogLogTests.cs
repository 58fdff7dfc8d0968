using Microsoft.Extensions.Logging;

namespace OrleansCache.Silo.Tests;

public class WatchdogLogTests
{
    [Fact]
    public void Only_warnings_before_the_first_measurement_are_left_out()
    {
        var clock = new Clock();
        var log = new WatchdogLog(clock);

        var before = log.Takes(LogLevel.Warning);
        log.Start();
        var (first, error) = (log.Takes(LogLevel.Warning), log.Takes(LogLevel.Error));
        clock.Now += 11 * TimeSpan.TicksPerSecond;

        Assert.Equal((false, false, true), (before, first, error));
        Assert.True(log.Takes(LogLevel.Warning));
        Assert.False(log.Takes(LogLevel.Information));
    }

    private sealed class Clock : TimeProvider
    {
        public long Now { get; set; } = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now;
    }
}
