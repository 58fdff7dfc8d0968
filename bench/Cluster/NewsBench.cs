using System.Diagnostics;
using OrleansCache.Contracts;

namespace OrleansCache.Bench.Cluster;

/// <summary>
/// How soon a push that waits at one member learns of an upload that was reported to another, and gets the claim of a push that was aborted
/// there.
/// </summary>
/// <param name="Learned">Milliseconds from the answer to the report until the waiter has its own; none when that was there first.</param>
/// <param name="PassedOn">The same, from the answer to the abort.</param>
internal sealed record NewsTimes(string Fleet, bool IsSilos, bool IsTheirs, IReadOnlyList<double> Learned, IReadOnlyList<double> PassedOn)
{
    // It has come to rest as a waiter by then.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(200);

    public static async Task<NewsTimes> MeasureAsync(Fleet fleet, IReadOnlyList<Runner> runners, SmallCargo small, int rounds)
    {
        var (learned, passedOn) = (new List<double>(), new List<double>());
        // The first ones are the compiler's.
        for (var round = -3; round < rounds; round++)
        {
            var uploading = runners[(round + 3) % runners.Count];
            var waiting = runners[(round + 4) % runners.Count];
            foreach (var aborts in new[] { false, true })
            {
                var time = await OnceAsync(uploading, waiting, small.Make($"news-{round}-{aborts}", 1),
                    small.Make($"more-{round}-{aborts}", 1), small.Make($"own-{round}-{aborts}", 1), aborts);
                if (round >= 0)
                    (aborts ? passedOn : learned).Add(time);
            }
        }

        return new NewsTimes(fleet.Name, fleet.IsSilos, fleet.IsTheirs, learned, passedOn);
    }

    private static async Task<double> OnceAsync(Runner uploading, Runner waiting, Cargo shared, Cargo more, Cargo own, bool aborts)
    {
        // It has more to upload: else who waits would wait for its end, too.
        var first = await uploading.Api.BeginAsync(Both(shared, more), NewKey(), CancellationToken.None);
        // Another closure, so that it need not wait with its begin.
        var second = await waiting.Api.BeginAsync(Both(shared, own), NewKey(), CancellationToken.None);
        var wait = AnswerAsync();
        // The question must have arrived before it is answered; no answer says that it has.
        await Task.Delay(Settling);

        var id = first.Missing.Single(path => path.Path == shared.Begin.Roots[0]).Upload;
        var grant = first.Uploads.Single(upload => upload.Id == id);
        if (aborts)
            await uploading.Api.AbortAsync(first.Id, CancellationToken.None);
        else
            await uploading.Api.ReportAsync(first.Id,
                new UploadReport { Uploads = [await uploading.UploadAsync(first.Id, grant, shared.Nars.Values.First())] },
                CancellationToken.None);
        var done = Stopwatch.GetTimestamp();

        var (state, answered) = await wait;
        await waiting.Api.AbortAsync(second.Id, CancellationToken.None);
        if (!aborts)
            await uploading.Api.AbortAsync(first.Id, CancellationToken.None);
        return state == (aborts ? PathState.Upload : PathState.Stored)
            ? Math.Max(0, Stopwatch.GetElapsedTime(done, answered).TotalMilliseconds)
            : throw new BenchException($"who waited was told '{state}'");

        async Task<(PathState, long)> AnswerAsync()
        {
            var answer = await waiting.Api.WaitAsync(second.Id, new WaitRequest { Paths = shared.Begin.Roots, TimeoutSeconds = 60 },
                CancellationToken.None);
            return (answer.Paths[0].State, Stopwatch.GetTimestamp());
        }
    }

    private static BeginPush Both(Cargo one, Cargo other) => new()
    {
        Roots = [.. one.Begin.Roots, .. other.Begin.Roots],
        Paths = [.. one.Begin.Paths, .. other.Begin.Paths]
    };

    private static string NewKey() => Guid.NewGuid().ToString("n");
}
