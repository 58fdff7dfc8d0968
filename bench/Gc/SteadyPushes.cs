using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Bench.Gc;

/// <summary>
/// Small pushes that arrive at a fixed rate, whether or not the ones before have ended: closures of twenty known paths, every second one
/// with one new path on top. A latency counts from when the push was due, so that a standstill is seen by all that came meanwhile.
/// </summary>
internal sealed class SteadyPushes(IPushes pushes)
{
    private const int Closures = 50;
    private const int ClosureSize = 20;
    private int _count;

    public async Task PrepareAsync()
    {
        for (var i = 0; i < Closures; i++)
            await PushAsync(Closure(i, null));
    }

    /// <summary>Pushes a second that so many workers get done, each starting the next when one has ended.</summary>
    public async Task<double> CapacityAsync(int workers, TimeSpan time)
    {
        var done = 0;
        var begun = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(begun) < time)
            {
                await PushNextAsync();
                Interlocked.Increment(ref done);
            }
        })));
        return done / Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    /// <param name="rate">Pushes a second.</param>
    /// <param name="phase">What goes on beside; asked when a push begins.</param>
    /// <param name="stop">Ends the arrivals.</param>
    public async Task<List<PushTime>> RunAsync(double rate, Func<string> phase, CancellationToken stop)
    {
        var times = new ConcurrentBag<PushTime>();
        var running = new List<Task>();
        var begun = Stopwatch.GetTimestamp();
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var due = TimeSpan.FromSeconds(i / rate);
            if (due - Stopwatch.GetElapsedTime(begun) is var wait && wait > TimeSpan.Zero)
                await Task.Delay(wait, CancellationToken.None); // The rate is what is measured under.
            running.Add(Task.Run(async () =>
            {
                var at = phase();
                var late = Stopwatch.GetElapsedTime(begun) - due;
                var (begin, commit) = await PushNextAsync();
                times.Add(new PushTime(at, (late + begin).TotalMilliseconds, commit.TotalMilliseconds));
            }, CancellationToken.None));
        }

        await Task.WhenAll(running);
        return [.. times];
    }

    private Task<(TimeSpan Begin, TimeSpan Commit)> PushNextAsync()
    {
        var n = Interlocked.Increment(ref _count);
        return PushAsync(Closure(n % Closures, n % 2 == 0 ? n : null));
    }

    private async Task<(TimeSpan Begin, TimeSpan Commit)> PushAsync(BeginPush closure)
    {
        var start = Stopwatch.GetTimestamp();
        var push = await pushes.BeginAsync(CacheName.Default, closure, OperationId.New(), CancellationToken.None);
        var begin = Stopwatch.GetElapsedTime(start);
        var id = PushId.TryParse(push.Id, out var parsed) ? parsed : throw new BenchException($"'{push.Id}' is no push");
        if (push.Uploads.Count > 0)
        {
            var uploads = push.Uploads.Select(u => new UploadedNar
            {
                Upload = u.Id,
                FileHash = closure.Paths[^1].NarHash,
                FileSize = CountingStore.UploadSize,
                Md5 = []
            });
            await pushes.ReportAsync(CacheName.Default, id, new UploadReport { Uploads = [.. uploads] }, CancellationToken.None);
        }

        start = Stopwatch.GetTimestamp();
        await pushes.CommitAsync(CacheName.Default, id, TimeSpan.FromMinutes(1), CancellationToken.None);
        return (begin, Stopwatch.GetElapsedTime(start));
    }

    private static BeginPush Closure(int number, int? top)
    {
        var paths = Enumerable.Range(0, ClosureSize)
            .Select(i => Path($"known-{number}-{i}", i == 0 ? null : $"known-{number}-{i - 1}")).ToList();
        if (top is not null)
            paths.Add(Path($"new-{top}", $"known-{number}-{ClosureSize - 1}"));
        return new BeginPush { Roots = [paths[^1].Path.Hash], Paths = paths };
    }

    private static PathDeclaration Path(string name, string? reference) => new()
    {
        Path = new StorePath(Hash(name), name),
        NarHash = Sha256Hash.Compute(Encoding.UTF8.GetBytes(name)),
        NarSize = 1000,
        References = reference is null ? [] : [Hash(reference)],
    };

    private static StorePathHash Hash(string name) => StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 20));
}

/// <summary>Milliseconds of one push's begin and commit, and what went on when it began.</summary>
internal sealed record PushTime(string Phase, double Begin, double Commit);
