namespace OrleansCache.Silo;

/// <summary>
/// Passes warnings of Orleans' watchdog to the log once the silo has run for a while. Its first look precedes its first measurement, so it
/// warns of a check that "has not completed" for as long as the machine is up. No later warning is lost: a stall is reported every second
/// while it lasts, and a check may take twenty seconds.
/// </summary>
internal sealed class WatchdogLog(TimeProvider time)
{
    public const string Category = "Orleans.Runtime.Watchdog";

    private static readonly TimeSpan FirstLook = TimeSpan.FromSeconds(10);

    private volatile object? _started; // The timestamp at which the silo began to serve.

    public void Start() => _started = time.GetTimestamp();

    public bool Takes(LogLevel level) => level >= LogLevel.Error
        || (level == LogLevel.Warning && _started is long started && time.GetElapsedTime(started) > FirstLook);
}
