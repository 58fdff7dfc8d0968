using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Terminal;

namespace OrleansCache.Cli.Push;

/// <summary>Pushes a closure; begins again, a few times, when the push ends under our hands.</summary>
internal sealed class Pusher(Api api, UploadClient uploads, PushOptions options, PushProgress progress, TimeProvider time)
{
    // Whoever interrupts, or reads why it failed, wants the prompt back.
    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(3);

    public async Task<PushResult> RunAsync(LocalClosure closure, CancellationToken cancellationToken)
    {
        for (var again = 0; ; again++)
        {
            var session = new PushSession(api, uploads, options, progress, time, closure);
            try
            {
                return await session.RunAsync(cancellationToken);
            }
            catch (CacheException e) when (e.BeginAgain && again < options.BeginAgain)
            {
                // What has been uploaded and reported belongs to its paths: the next begin finds it.
                progress.Note($"the push has ended early, beginning again: {e.Message}");
            }
            catch (Exception e)
            {
                await EndAsync(session);
                if (e is CacheException refusal)
                    throw new CliException(refusal.ExitCode, refusal.Message, refusal);
                throw;
            }
        }
    }

    /// <summary>
    /// Gives back at once what the push holds. One that is killed, or cannot reach the server, stays open until it lapses: the next one
    /// finds what has arrived.
    /// </summary>
    private async Task EndAsync(PushSession session)
    {
        if (session.Open is not { } push)
            return;
        using var timeout = new CancellationTokenSource(AbortTimeout, time);
        try
        {
            await api.AbortAsync(push, timeout.Token);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            progress.Note($"the push could not be ended ({e.Message}); it ends by itself");
        }
    }
}
