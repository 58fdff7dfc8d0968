using OrleansCache.Contracts;
using OrleansCache.Core;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// What an operator should know of the database although it works, told by the log before the server is ready; <c>doctor</c> asks for the
/// same.
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
            // It went away since it was opened, and may be back soon: the readiness tells.
            LogDoubt(log, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Doubt}")]
    private static partial void LogDoubt(ILogger log, string doubt);
}
