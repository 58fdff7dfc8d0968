using OrleansCache.EndToEnd.Tests.Trust;

namespace OrleansCache.Storm;

/// <summary>One thing that a hostile client does.</summary>
/// <param name="Play">With a closure of the honest ones.</param>
internal sealed record Attempt(string Kind, Func<SimulatedClosure, Task> Play);

/// <summary>
/// Has a token of the scope <c>push</c> and a trust group of its own, and does its worst, as often as an honest client asks for anything.
/// It minds no answer.
/// </summary>
/// <param name="squat">What is done to what is about to be pinned; null: nothing.</param>
/// <param name="honest">How many requests an honest client has sent until now, on average.</param>
internal sealed class HostileClient(HostileHandler handler, IReadOnlyList<Attempt> attempts, Attempt? squat, Overheard overheard,
    Universe universe, Func<long> honest, StormReport tally, Random random)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public async Task RunAsync(CancellationToken end, CancellationToken stopped)
    {
        try
        {
            var start = honest();
            while (!end.IsCancellationRequested && !stopped.IsCancellationRequested)
            {
                if (handler.Sent > honest() - start)
                    await Task.Delay(Pause, stopped);
                else if (squat is not null && random.Next(2) == 0 && overheard.Coming() is { } coming)
                    await SquatAsync(coming.SimulatedClosure, coming.Done);
                else
                    await PlayAsync(attempts[random.Next(attempts.Count)]);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e)
        {
            tally.Violation($"a hostile client failed: {e}");
        }
    }

    private async Task SquatAsync(SimulatedClosure cargo, TaskCompletionSource done)
    {
        await PlayAsync(squat!, cargo);
        done.TrySetResult();
    }

    private Task PlayAsync(Attempt attempt) =>
        PlayAsync(attempt, universe.Load(random.Next(universe.Packages.Count), random));

    private async Task PlayAsync(Attempt attempt, SimulatedClosure cargo)
    {
        HostileHandler.Play(attempt.Kind);
        try
        {
            await attempt.Play(cargo);
            tally.Count($"hostile attempts: {attempt.Kind}");
        }
        catch (Exception e) when (e
            is RefusedException or TimeoutException or HttpRequestException or OperationCanceledException or IOException)
        {
            tally.Count($"hostile attempts: {attempt.Kind}");
            tally.Event($"hostile {attempt.Kind} of {cargo.Root.BaseName}: {e.Message}");
        }
    }
}
