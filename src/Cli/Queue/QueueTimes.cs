namespace OrleansCache.Cli.Queue;

/// <summary>How long a queue's daemon waits for what.</summary>
internal sealed record QueueTimes
{
    /// <summary>For more paths, since the first of a batch came.</summary>
    public TimeSpan Batch { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Between looks at the folder when nobody wakes the daemon.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Between looks at Nix's database.</summary>
    public TimeSpan Scan { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>After the first failure of everything; it doubles with each.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>After the first failure of one path; it doubles with each.</summary>
    public TimeSpan FirstHold { get; init; } = TimeSpan.FromMinutes(1);

    public TimeSpan MaxHold { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long one path that cannot be pushed is tried.</summary>
    public TimeSpan KeepTrying { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Without work, a daemon that the service manager has started ends; a wake-up starts it again.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Half of it at least, so that many machines do not come back in step.</summary>
    public static TimeSpan Delay(TimeSpan first, TimeSpan most, int tries)
    {
        var ceiling = Math.Min(most.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(tries, 30)));
#pragma warning disable CA5394 // jitter is no secret
        return TimeSpan.FromMilliseconds(ceiling * (0.5 + Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
    }
}
