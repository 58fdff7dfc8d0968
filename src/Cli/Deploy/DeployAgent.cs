using System.ComponentModel;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Deploy;

/// <summary>Follows a pin: a turn after each interval, and less often while turns fail. Nothing but its cancellation ends it.</summary>
/// <param name="turn">Deploys what the pin leads to.</param>
/// <param name="log">Gets what is new: the same outcome again is not told.</param>
internal sealed class DeployAgent(Func<CancellationToken, Task<Turn>> turn, TimeSpan interval, TimeProvider time, Action<string> log)
{
    private const int MaxDoublings = 4;

    private static readonly TimeSpan MaxWait = TimeSpan.FromMinutes(15);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        string? said = null;
        for (var failures = 0; ;)
        {
            string text;
            try
            {
                text = (await turn(cancellationToken)).Text;
                failures = 0;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested
                && e is CliException or CacheException or HttpRequestException or IOException or UnauthorizedAccessException
                    or Win32Exception)
            {
                text = e.Message;
                failures++;
            }

            if (text != said)
                log(text);
            said = text;
            await Task.Delay(WaitAfter(failures), time, cancellationToken);
        }
    }

    // A fleet does not come back in step.
    private TimeSpan WaitAfter(int failures)
    {
        var longest = interval > MaxWait ? interval : MaxWait;
        var wait = interval * Math.Pow(2, Math.Min(failures, MaxDoublings));
#pragma warning disable CA5394 // jitter is no secret
        return (wait > longest ? longest : wait) * (0.9 + 0.2 * Random.Shared.NextDouble());
#pragma warning restore CA5394
    }
}
