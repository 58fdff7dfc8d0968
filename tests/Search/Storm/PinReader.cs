using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Storm;

/// <summary>
/// Deploys from pins, again and again: reads what a pin keeps from the bucket, narinfos and NARs. For a pin that was at the same revision
/// before and after, nothing may be missing (I1, I2).
/// </summary>
internal sealed class PinReader(Api api, BucketReader bucket, RetryPolicy retry, StormReport tally, Random random)
{
    // A pin that expires while it is read keeps nothing.
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(1);

    public async Task RunAsync(CancellationToken end, CancellationToken stopped)
    {
        try
        {
            while (!end.IsCancellationRequested)
            {
                var pins = (await api.PinsAsync(stopped)).Pins;
                if (pins.Count > 0)
                    await ReadAsync(pins[random.Next(pins.Count)], stopped);
                await Task.Delay(TimeSpan.FromMilliseconds(200), stopped);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e)
        {
            tally.Violation($"a reader failed: {e}");
        }
    }

    private async Task ReadAsync(Pin listed, CancellationToken cancellationToken)
    {
        if (await ShowAsync(listed.Name, cancellationToken) is not { } before || before.Expires < DateTimeOffset.UtcNow + Margin)
            return;
        // Its own path, or one that a rollback could want.
        var kept = before.History!.Where(revision => revision.Kept).ToList();
        var revision = random.Next(2) == 0 || kept.Count == 0 ? null : kept[random.Next(kept.Count)];
        var path = revision?.Path ?? before.Path;
        var said = await retry.RunAsync("reading the pin", c => bucket.GetAsync($"pins/{before.Name}", c), cancellationToken);
        var hole = await retry.RunAsync("reading the closure", c => bucket.FindHoleAsync(path.Hash, readNars: true, c), cancellationToken);
        var after = await ShowAsync(listed.Name, cancellationToken);
        if (after is null || after.Revision != before.Revision || after.Created != before.Created
            || after.Expires < DateTimeOffset.UtcNow + Margin
            || (revision is not null && !after.History!.Any(r => r.Revision == revision.Revision && r.Kept)))
        {
            tally.Count("walks of pins that moved");
            return;
        }

        tally.Count("walks");
        if (hole is not null)
            tally.Violation(
                $"I1, I2: pin {before}, {(revision is null ? "its path" : $"kept revision {revision.Revision}")} {path.BaseName}: {hole}");
        if (before.Written && (said is null || System.Text.Encoding.UTF8.GetString(said) != before.Path.ToString()))
            tally.Violation(
                $"I7: pin {before} was in the bucket, and pins/{before.Name} says " +
                $"'{(said is null ? "nothing" : System.Text.Encoding.UTF8.GetString(said))}'");
    }

    private async Task<Pin?> ShowAsync(PinName name, CancellationToken cancellationToken)
    {
        try
        {
            return await api.PinAsync(name, cancellationToken);
        }
        catch (CacheException e) when (e.Name == "unknown-pin")
        {
            return null;
        }
    }
}
