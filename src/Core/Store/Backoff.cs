namespace OrleansCache.Core.Store;

/// <summary>
/// Pauses between attempts: doubled each time, at random up to that ("full jitter"), so that many clients do not come back together.
/// </summary>
internal static class Backoff
{
    private const double FirstMilliseconds = 50;
    private const double MaxMilliseconds = 3_000;

    /// <param name="attempt">0 after the first failure.</param>
    public static TimeSpan Pause(int attempt) =>
        TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * Math.Min(MaxMilliseconds,
            FirstMilliseconds * Math.Pow(2, Math.Min(attempt, 10))));
}
