using System.Collections.Concurrent;
using System.Diagnostics;
using OrleansCache.Cli.Http;

namespace OrleansCache.Bench.Cluster;

/// <summary>What pushes to fleets, and what it has measured of them.</summary>
internal sealed class Load
{
    private readonly HttpMessageInvoker _http = Connections.Open(int.MaxValue);
    private readonly RetryPolicy _retry;
    private int _retries;

    public Load() => _retry = new RetryPolicy { OnRetry = (_, _) => Interlocked.Increment(ref _retries) };

    public List<Measured> Results { get; } = [];

    /// <summary>Requests that were sent again.</summary>
    public int Retries => _retries;

    /// <summary>A way to the cache for each member.</summary>
    /// <param name="token">Left out: the fleet's first, which may do everything.</param>
    public IReadOnlyList<Runner> Connect(Fleet fleet, string? token = null) =>
        [.. fleet.Urls.Select(url => new Runner(new Api(_http, url, "default", token ?? fleet.Token, _retry), _http, _retry))];

    /// <param name="push">Pushes, and tells the milliseconds of each push.</param>
    public static async Task<Measured> MeasureAsync(Fleet fleet, Workload workload, Func<ConcurrentBag<double>, Task> push)
    {
        ProcFs.Sync();
        var times = new ConcurrentBag<double>();
        var before = await fleet.ReadAsync();
        var begun = Stopwatch.GetTimestamp();
        await push(times);
        var wall = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        return new Measured(fleet.Name, fleet.IsSilos, fleet.IsTheirs, fleet.Count, workload, wall, [.. times],
            await fleet.ReadAsync() - before);
    }

    /// <summary>One push after the other, each at the next member.</summary>
    public static async Task InTurnAsync(IReadOnlyList<Runner> runners, IEnumerable<Cargo> cargos, ConcurrentBag<double> times)
    {
        foreach (var (i, cargo) in cargos.Index())
        {
            ProcFs.Sync();
            await TimedAsync(runners[i % runners.Count], cargo, times);
        }
    }

    /// <summary>All at once, each at the next member.</summary>
    public static Task AtOnceAsync(IReadOnlyList<Runner> runners, IEnumerable<Cargo> cargos, ConcurrentBag<double> times) =>
        Task.WhenAll(cargos.Select((cargo, i) => TimedAsync(runners[i % runners.Count], cargo, times)));

    public static async Task TimedAsync(Runner runner, Cargo cargo, ConcurrentBag<double> times)
    {
        var begun = Stopwatch.GetTimestamp();
        await runner.PushAsync(cargo);
        times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
    }
}
