using OrleansCache.Core;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Objects;

namespace OrleansCache.Gateway.Hosting;

/// <summary>Knows whether this server can take requests: asked by <c>/readyz</c>, and by itself where nobody asks, for <c>/metrics</c>.</summary>
internal sealed class HealthWatch(GatewayParts parts, Drain drain) : BackgroundService
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan NumbersInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private (Task<string?> Answer, long Begun)? _look; // Under _lock.
    private long _checked = parts.Time.GetTimestamp();

    /// <summary>What the last check said.</summary>
    public bool WasReady { get; private set; }

    /// <summary>What the cache held a minute ago or less; null until it was asked for.</summary>
    public CacheNumbers? Numbers { get; private set; }

    /// <summary>Null when it can take requests; else one sentence about what keeps it from that.</summary>
    public async Task<string?> FindTroubleAsync(CancellationToken cancel)
    {
        var trouble = drain.HasBegun ? "The server is stopping." : parts.FindTrouble() ?? await LookAsync().WaitAsync(cancel);
        (WasReady, _checked) = (trouble is null, parts.Time.GetTimestamp());
        return trouble;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var asked = (long?)null;
        try
        {
            // Short, and not broken off at the end: PostgreSQL would complain of it in its log.
            await FindTroubleAsync(CancellationToken.None);
            while (true)
            {
                if (asked is not { } last || parts.Time.GetElapsedTime(last) >= NumbersInterval)
                {
                    asked = parts.Time.GetTimestamp();
                    await ReadNumbersAsync();
                }

                await Task.Delay(Interval, parts.Time, stoppingToken);
                if (parts.Time.GetElapsedTime(_checked) >= Interval)
                    await FindTroubleAsync(CancellationToken.None);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task ReadNumbersAsync()
    {
        try
        {
            Numbers = await parts.ReadNumbers(CacheName.Default, CancellationToken.None);
        }
        catch (Exception)
        {
            // What was known stays; the readiness tells of the database.
        }
    }

    // One look a second, whoever asks and however often: anybody may.
    private Task<string?> LookAsync()
    {
        lock (_lock)
        {
            if (_look is not { } look || (look.Answer.IsCompleted && parts.Time.GetElapsedTime(look.Begun) >= Fresh))
                _look = look = (AskAsync(), parts.Time.GetTimestamp());
            return look.Answer;
        }
    }

    private async Task<string?> AskAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        var database = AnswersAsync(() => parts.PingDatabase(limit.Token));
        var store = AnswersAsync(() => parts.Store.HeadAsync(ObjectKey.NixCacheInfo, limit.Token));
        return (await database, await store) switch
        {
            (true, true) => null,
            (false, true) => "The database does not answer.",
            (true, false) => "The object store does not answer.",
            _ => "Neither the database nor the object store answers.",
        };
    }

    private static async Task<bool> AnswersAsync(Func<Task> probe)
    {
        try
        {
            await probe().WaitAsync(Patience);
            return true;
        }
        catch (Exception)
        {
            // Whatever it was: who asks wants to know whether, and the log of the failing requests says why.
            return false;
        }
    }
}
