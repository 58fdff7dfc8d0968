using System.Globalization;

namespace OrleansCache.Storm;

/// <summary>Kills gateways, makes them stand still and drains them, every few seconds; never the last one that serves.</summary>
internal sealed class Chaos(Fleet fleet, bool silos, StormReport tally, Random random)
{
    private const int MaxStopped = 2;

    // Stops: from below the leases (15 s) and fences (20 s) to far beyond.
    private const int ShortestStop = 5;
    private const int MaxStop = 60;
    private static readonly TimeSpan TimeForZombie = TimeSpan.FromSeconds(15);

    private readonly List<Task> _recoveries = [];
    private int _stopped;

    /// <summary>Until the token; then waits until all gateways serve again.</summary>
    public async Task RunAsync(CancellationToken end)
    {
        try
        {
            while (true)
            {
                await Task.Delay(TimeSpan.FromSeconds(2 + (random.NextDouble() * 3)), end);
                var (stops, seconds, kills, victim) = (random.Next(5) < 2, ShortestStop
                    + (int)((MaxStop - ShortestStop) * Math.Pow(random.NextDouble(), 2)), random.Next(6) == 0, random.Next());
                var standing = fleet.Gateways.Where(gateway => gateway is { IsBusy: false, IsHealthy: true }).ToList();
                if (standing.Count < 2)
                    continue;
                var gateway = standing[victim % standing.Count];
                if (!gateway.TryTake())
                    continue;
                _recoveries.Add(stops && Volatile.Read(ref _stopped) < MaxStopped
                    ? StopAsync(gateway, TimeSpan.FromSeconds(seconds), kills, end)
                    : kills ? DrainAsync(gateway)
                    : KillAsync(gateway, "killed"));
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            await Task.WhenAll(_recoveries);
        }
    }

    private async Task KillAsync(Gateway gateway, string how)
    {
        tally.Count("kills");
        tally.Event($"gateway {gateway.Number} {how}");
        await gateway.Process.Kill9Async();
        await gateway.Process.RestartAsync();
        tally.Event($"gateway {gateway.Number} runs again");
        gateway.Release();
    }

    // SIGTERM, as in a rolling upgrade.
    private async Task DrainAsync(Gateway gateway)
    {
        tally.Count("drains");
        tally.Event($"gateway {gateway.Number} is told to stop");
        if (await gateway.Process.StopAsync() is not 0 and var code)
            tally.Violation($"gateway {gateway.Number} ended with {code} when it was told to stop");
        await gateway.Process.RestartAsync();
        tally.Event($"gateway {gateway.Number} runs again");
        gateway.Release();
    }

    private async Task StopAsync(Gateway gateway, TimeSpan duration, bool kills, CancellationToken end)
    {
        tally.Count("stops");
        tally.Event(string.Create(CultureInfo.InvariantCulture, $"gateway {gateway.Number} stands still for {duration.TotalSeconds:0} s"));
        Interlocked.Increment(ref _stopped);
        gateway.Process.Pause();
        // Not a wait for something: how long it stands still is the input.
        await Task.Delay(duration, end).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        Interlocked.Decrement(ref _stopped);
        if (kills)
        {
            await KillAsync(gateway, "killed while it stood still");
            return;
        }

        gateway.Process.Resume();
        tally.Event($"gateway {gateway.Number} goes on");
        // A silo that was declared dead ends when it wakes and learns of it; its supervisor starts it again.
        if (silos)
            await Task.Delay(TimeForZombie, CancellationToken.None);
        if (!gateway.Process.IsRunning)
            await KillAsync(gateway, "has ended by itself");
        gateway.Release();
    }
}
