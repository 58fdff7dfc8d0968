using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Terminal;

namespace OrleansCache.Cli.Push;

/// <summary>Pushes a closure. When the push ends before its commit, it begins another, a few times.</summary>
/// <param name="contents">Where NARs and logs are read; null: in the local store.</param>
internal sealed class Pusher(Api api, UploadClient uploads, PushOptions options, PushProgress progress, TimeProvider time,
    INarContents? contents = null)
{
    // A user who interrupts, or reads an error, wants the prompt back.
    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(3);

    /// <exception cref="UnusablePathsException">Some paths cannot be sent; the push is left open.</exception>
    public async Task<PushResult> RunAsync(LocalClosure closure, CancellationToken cancellationToken)
    {
        contents ??= new LocalContents(options, progress);
        for (var again = 0; ; again++)
        {
            var session = new PushSession(api, uploads, options, progress, time, closure, contents);
            try
            {
                return await session.RunAsync(cancellationToken);
            }
            catch (CacheException e) when (e.BeginAgain && again < options.BeginAgain)
            {
                // What was uploaded and reported belongs to its paths, so the next begin finds it.
                progress.Note($"the push has ended early, beginning again: {e.Message}");
            }
            catch (Exception e) when (e is not UnusablePathsException)
            {
                await EndAsync(session);
                if (e is CacheException refusal)
                    throw new CliException(refusal.ExitCode, refusal.Message, refusal);
                throw;
            }
        }
    }

    /// <summary>
    /// Releases at once what the push holds. The push of a killed client, or one that cannot reach the server, stays open until it lapses;
    /// the next push finds what has arrived.
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
