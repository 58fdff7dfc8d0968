using System.Diagnostics;
using System.Net;
using OrleansCache.Cli.Http;
using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>How a push ended.</summary>
internal enum PushEnd
{
    Committed,

    /// <summary>As its client wanted it: it gave up in the middle.</summary>
    GivenUp,
}

/// <summary>The server said that this push cannot go on, and its client runs the command again.</summary>
/// <param name="name">Short, to be counted.</param>
internal sealed class BeginAgainException(string name, string message) : Exception(message)
{
    public string Name => name;
}

/// <summary>What all clients have in common: they begin again until the push has ended, and one that never does is a violation.</summary>
/// <param name="cache">Where they push; others than the default one have a quota.</param>
/// <param name="isRolled">Some servers are another build's, and do not know ids that ours have given.</param>
internal sealed class Attempts(StormReport tally, string cache, bool isRolled)
{
    // What a build from before grants were sealed and pushes had random ids says to ours.
    private static readonly string[] StrangeIds = ["is not the id of an upload grant.", "is not the id of a pending closure."];

    /// <summary>A push that took longer was not healed by retries.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

    // A collection makes room, sooner or later.
    private static readonly TimeSpan PauseWhenFull = TimeSpan.FromSeconds(1);

    // Worth telling how it went.
    private static readonly TimeSpan Slow = TimeSpan.FromMinutes(1);

    /// <param name="once">One attempt. Told where to write its story.</param>
    /// <returns>Null: it failed for good, which was noted.</returns>
    /// <exception cref="OperationCanceledException">The storm was stopped by a violation.</exception>
    public async Task<PushEnd?> UntilItEndsAsync(string client, StorePath root, Func<List<string>, CancellationToken, Task<PushEnd>> once,
        CancellationToken stopped)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopped);
        limit.CancelAfter(Patience);
        var clock = Stopwatch.StartNew();
        var story = new List<string>();
        try
        {
            while (true)
            {
                try
                {
                    var end = await once(story, limit.Token);
                    if (end == PushEnd.Committed)
                    {
                        tally.PushSucceeded(clock.Elapsed);
                        tally.Count($"pushes by {client}");
                        tally.Count($"pushes to {cache}");
                    }

                    if (clock.Elapsed > Slow)
                        tally.Event(
                            $"{client}'s push of {root.BaseName} took {clock.Elapsed.TotalSeconds:0} s:\n  {string.Join("\n  ", story)}");
                    return end;
                }
                catch (BeginAgainException e)
                {
                    tally.Count($"begun again: {e.Name}");
                    story.Add($"begun again: {e.Message}");
                }
                catch (Exception e) when (cache != StormCache.Default && IsOverQuota(e))
                {
                    tally.Count($"refused for the quota: {cache}");
                    await Task.Delay(PauseWhenFull, limit.Token);
                    return PushEnd.GivenUp;
                }
                catch (Exception e) when (isRolled && StrangeIds.Any(what => e.Message.Contains(what, StringComparison.Ordinal)))
                {
                    tally.Count("begun again: an id of ours at another build's");
                    story.Add($"begun again: {e.Message}");
                }
            }
        }
        catch (Exception e) when (!stopped.IsCancellationRequested)
        {
            tally.Violation(
                $"{client}'s push of {root.BaseName} failed after {clock.Elapsed.TotalSeconds:0} s: {e.GetType().Name} {e.Message}\n  " +
                $"{string.Join("\n  ", story.TakeLast(30))}");
            return null;
        }
    }

    private static bool IsOverQuota(Exception e) =>
        e is CacheException { Status: HttpStatusCode.RequestEntityTooLarge } or ForeignRefusalException { Status: HttpStatusCode.RequestEntityTooLarge };
}
