using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// Stops the server when a newer one has migrated the database to a schema that this one does not know, as its rules no longer hold. It
/// looks every 20 seconds; /readyz reports a database that does not answer.
/// </summary>
internal sealed partial class SchemaWatch(GatewayParts parts, IHostApplicationLifetime lifetime, ILogger<SchemaWatch> logger)
    : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>The server is stopping, or has stopped, for this reason.</summary>
    public bool IsOutdated { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!await RefreshAsync(stoppingToken))
                await Task.Delay(Interval, parts.Time, stoppingToken);
            IsOutdated = true;
            LogOutdated();
            lifetime.StopApplication();
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task<bool> RefreshAsync(CancellationToken stopping)
    {
        try
        {
            return await parts.IsOutdated(stopping).WaitAsync(Patience, parts.Time, stopping);
        }
        catch (Exception) when (!stopping.IsCancellationRequested)
        {
            return false;
        }
    }

    [LoggerMessage(LogLevel.Critical, "a newer server has changed the database's schema: this one stops")]
    private partial void LogOutdated();
}
