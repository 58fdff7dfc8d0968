namespace OrleansCache.Cli.Push;

/// <summary>A wait whose cancellation is no exception: the first one of a process costs a short push some of its time.</summary>
internal static class Pause
{
    /// <returns>False: it was cancelled.</returns>
    public static async Task<bool> EndsAsync(TimeSpan time, TimeProvider clock, CancellationToken cancellationToken)
    {
        await Task.Delay(time, clock, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !cancellationToken.IsCancellationRequested;
    }
}
