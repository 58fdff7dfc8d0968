namespace OrleansCache.Core.Common;

/// <summary>The defaults of a run, and the schedule.</summary>
public sealed record GcOptions
{
    /// <summary>How long a pushed closure is a root.</summary>
    public TimeSpan OlderThan { get; init; } = TimeSpan.FromHours(720);

    /// <summary>How long an open push may show no sign of life.</summary>
    public TimeSpan FailedUploadsOlderThan { get; init; } = TimeSpan.FromHours(6);

    /// <summary>How long a condemned row can come back without an upload.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromHours(6);

    /// <summary>A cron expression of five fields, in UTC; null: only when asked.</summary>
    public string? Schedule { get; init; }

    /// <summary>A scheduled run begins up to this much later, at random.</summary>
    public TimeSpan Jitter { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A run whose owner was silent for this long is taken over.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Rows that one transaction changes.</summary>
    public int Batch { get; init; } = 1_000;
}
