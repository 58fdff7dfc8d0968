using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Bench.Cluster;

/// <summary>
/// A silo is killed whose grains know of very many paths that a push uploads and another waits for: nothing is lost, and who waits goes on.
/// </summary>
/// <param name="GoesOn">Milliseconds from the answer to the uploading push's commit until the other has all that it waited for.</param>
internal sealed record LossTimes(string Fleet, int Paths, double GoesOn)
{
    // It has come to rest as a waiter by then.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(500);

    /// <summary>Leaves the fleet one member short.</summary>
    public static async Task<LossTimes> MeasureAsync(Fleet fleet, IReadOnlyList<Runner> runners, SmallCargo small, int paths)
    {
        var (staying, lost) = (runners[0].Api, runners[^1]);
        var (shared, own) = (small.Make("lost", paths), small.Make("lost-own", 1));
        var first = await lost.Api.BeginAsync(shared.Begin, NewKey(), CancellationToken.None);
        var grants = first.Uploads.ToDictionary(upload => upload.Id);
        var uploads = new List<UploadedNar>();
        foreach (var some in first.Missing.Chunk(32))
            uploads.AddRange(await Task.WhenAll(some.Select(path =>
                lost.UploadAsync(first.Id, grants[path.Upload!], shared.Nars[path.Path]))));
        var both = new BeginPush
        {
            Roots = [.. shared.Begin.Roots, .. own.Begin.Roots],
            Paths = [.. shared.Begin.Paths, .. own.Begin.Paths]
        };
        var second = await staying.BeginAsync(both, NewKey(), CancellationToken.None);
        if (second.Missing.Count(path => path.State == PathState.Wait) != paths)
            throw new BenchException("who begins later was not told to wait for all");
        var waiting = Task.Run(WaitAsync);
        await Task.Delay(Settling); // The wait has to be at the server, and nothing tells that it is.

        fleet.Kill(fleet.Count - 1);
        await staying.ReportAsync(first.Id, new UploadReport { Uploads = uploads }, CancellationToken.None);
        var committed = await staying.CommitAsync(first.Id, null, CancellationToken.None);
        var done = Stopwatch.GetTimestamp();
        if (committed.Published != paths)
            throw new BenchException($"{committed.Published} of {paths} paths were published");
        return new LossTimes(fleet.Name, paths, Math.Max(0, Stopwatch.GetElapsedTime(done, await waiting).TotalMilliseconds));

        async Task<long> WaitAsync()
        {
            IReadOnlyList<StorePathHash> left = [.. shared.Begin.Paths.Select(path => path.Path.Hash)];
            while (left.Count > 0)
            {
                var request = new WaitRequest { Paths = left, TimeoutSeconds = 60 };
                var answer = await staying.WaitAsync(second.Id, request, CancellationToken.None);
                if (answer.Uploads.Count > 0)
                    throw new BenchException("who waited was to upload what had arrived");
                left = [.. answer.Paths.Where(path => path.State == PathState.Wait).Select(path => path.Path)];
            }

            return Stopwatch.GetTimestamp();
        }
    }

    private static string NewKey() => Guid.NewGuid().ToString("n");
}
