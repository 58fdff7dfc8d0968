using OrleansCache.Contracts;
using OrleansCache.Core;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Logs, before the server is ready, what an operator should know of a database that works. <c>doctor</c> asks for the same.
/// </summary>
internal static partial class DatabaseCheck
{
    public static async Task AtStartAsync(CacheCore core, ILogger log, CancellationToken cancellationToken)
    {
        try
        {
            if (await core.FindPushTroubleAsync(cancellationToken) is { } trouble)
                LogDoubt(log, trouble);
            foreach (var doubt in await core.FindDoubtsAsync(cancellationToken))
                LogDoubt(log, doubt);
        }
        catch (CacheProblemException e)
        {
            // The database went away after it was opened and may be back soon: /readyz reports it.
            LogDoubt(log, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Doubt}")]
    private static partial void LogDoubt(ILogger log, string doubt);
}
