namespace OrleansCache.Gateway.Tls;

/// <summary>Looks at files every few seconds until it is disposed.</summary>
internal sealed partial class RegularLook : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _ended = new();
    private readonly Task _looking;

    public RegularLook(Action look, ILogger log, TimeProvider time) => _looking = LookAsync(look, log, time, _ended.Token);

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _looking;
        _ended.Dispose();
    }

    private static async Task LookAsync(Action look, ILogger log, TimeProvider time, CancellationToken ended)
    {
        while (!ended.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Interval, time, ended);
                look();
            }
            catch (OperationCanceledException) when (ended.IsCancellationRequested)
            {
                // The server stops.
            }
            catch (Exception e)
            {
                // Whatever it is, the next look comes: without it a renewed certificate would never be shown.
                LogFailed(log, e);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "a look at files of TLS failed; the next one is in a few seconds")]
    private static partial void LogFailed(ILogger logger, Exception e);
}
