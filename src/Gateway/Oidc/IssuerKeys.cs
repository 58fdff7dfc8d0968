using Microsoft.IdentityModel.Tokens;

namespace OrleansCache.Gateway.Oidc;

/// <summary>
/// An issuer's keys in memory. They are fetched at the start, every hour, and when a token names an unknown one, but at most once a minute
/// whatever the tokens name. While the issuer is away the known keys stay good.
/// </summary>
internal sealed partial class IssuerKeys : IAsyncDisposable
{
    private static readonly TimeSpan Refresh = TimeSpan.FromHours(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Issuer _issuer;
    private readonly KeySource _source;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private readonly ITimer _timer;

    // Replaced as a whole by the one fetch at a time.
    private volatile KeySet? _keys;
    private string? _trouble;

    // Under the lock.
    private Task _fetch = Task.CompletedTask;
    private long? _tried;

    public IssuerKeys(Issuer issuer, KeySource source, TimeProvider time, ILogger logger)
    {
        (_issuer, _source, _time, _logger) = (issuer, source, time, logger);
        _timer = time.CreateTimer(static keys => ((IssuerKeys)keys!).FetchAsync(), this, Timeout.InfiniteTimeSpan,
            Timeout.InfiniteTimeSpan);
    }

    /// <summary>Fetches the keys unless a fetch is under way or was tried within the last minute; ends when it has ended.</summary>
    public Task FetchAsync()
    {
        lock (_lock)
        {
            if (!_fetch.IsCompleted || _tried is { } tried && _time.GetElapsedTime(tried) < Pause || _stopping.IsCancellationRequested)
                return _fetch;
            _tried = _time.GetTimestamp();
            return _fetch = Task.Run(RunAsync);
        }
    }

    /// <summary>The keys that may have signed a token; empty: the issuer has none such; null: it was never reached.</summary>
    public async ValueTask<IReadOnlyList<SecurityKey>?> FindAsync(string? id, string algorithm, CancellationToken cancellationToken)
    {
        if (_keys?.Find(id, algorithm) is { Count: > 0 } known)
            return known;
        await FetchAsync().WaitAsync(cancellationToken);
        return _keys?.Find(id, algorithm);
    }

    public async ValueTask DisposeAsync()
    {
        Task last;
        lock (_lock)
        {
            _stopping.Cancel();
            last = _fetch;
        }

        await last;
        await _timer.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        var next = Refresh;
        try
        {
            _keys = await _source.FetchAsync(_stopping.Token);
            if (_trouble is not null)
                LogBack(_issuer.Name, _issuer.Url);
            _trouble = null;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            return;
        }
        catch (Exception e)
        {
            // Whatever it is, it is asked again: without the timer an issuer's new keys would never come.
            NoteTrouble(e);
            next = Pause;
        }

        _timer.Change(next, Timeout.InfiniteTimeSpan);
    }

    // A line for each change, however often it is asked.
    private void NoteTrouble(Exception e)
    {
        var isForeseen = e is KeySourceException;
        var trouble = isForeseen ? e.Message : LogText.Plain($"{e.GetType().Name}: {e.Message}", KeySourceException.MaxLength);
        if (_trouble == trouble)
            return;
        _trouble = trouble;
        var meanwhile = _keys is null ? "until then its tokens are answered 503" : "its known keys stay good";
        if (isForeseen)
            LogAway(_issuer.Name, trouble, meanwhile);
        else
            LogUnforeseen(_issuer.Name, trouble, meanwhile, e.StackTrace);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The keys of the issuer {Issuer} cannot be fetched: {Why}. They are asked for again every minute; {Meanwhile}")]
    private partial void LogAway(string issuer, string why, string meanwhile);

    [LoggerMessage(Level = LogLevel.Error, Message = "The keys of the issuer {Issuer} cannot be fetched for a reason that nobody foresaw: {Why}. They are asked for again every minute; {Meanwhile}\n{Stack}")]
    private partial void LogUnforeseen(string issuer, string why, string meanwhile, string? stack);

    [LoggerMessage(Level = LogLevel.Information, Message = "The keys of the issuer {Issuer} were fetched from {Url}")]
    private partial void LogBack(string issuer, string url);
}
