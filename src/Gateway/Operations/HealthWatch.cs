using OrleansCache.Contracts;
using OrleansCache.Core.Inspect;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// Knows whether this server can take requests, and whether pushes would succeed: asked by <c>/readyz</c>, and by itself where nobody asks,
/// for <c>/metrics</c>.
/// </summary>
internal sealed class HealthWatch(GatewayParts parts, Drain drain) : BackgroundService
{
    private const string StoreSilent = "The object store does not answer.";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan NumbersInterval = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private (Task<Look> Answer, long Begun)? _look; // Under _lock.
    private long _checked = parts.Time.GetTimestamp();

    /// <summary>What the last check said.</summary>
    public bool WasReady { get; private set; }

    /// <summary>What the last check said of pushes.</summary>
    public bool WasReadyForPushes { get; private set; }

    /// <summary>What the cache held a minute ago or less; null until it was asked for.</summary>
    public CacheNumbers? Numbers { get; private set; }

    /// <summary>Null when it can take requests; else one sentence about what keeps it from that.</summary>
    /// <param name="forPushes">Also what keeps pushes from succeeding: reads go on then.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    public async Task<string?> FindTroubleAsync(bool forPushes, CancellationToken cancellationToken)
    {
        var look = drain.HasBegun ? new Look("The server is stopping.", null) : await RefreshAsync().WaitAsync(cancellationToken);
        (WasReady, WasReadyForPushes, _checked) = (look.Trouble is null, look.Trouble is null && look.OfPushes is null,
            parts.Time.GetTimestamp());
        return look.Trouble ?? (forPushes ? look.OfPushes : null);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var asked = (long?)null;
        try
        {
            // Short, and not broken off at the end: PostgreSQL would complain of it in its log.
            await FindTroubleAsync(forPushes: false, CancellationToken.None);
            while (true)
            {
                if (asked is not { } last || parts.Time.GetElapsedTime(last) >= NumbersInterval)
                {
                    asked = parts.Time.GetTimestamp();
                    await ReadNumbersAsync();
                }

                await Task.Delay(Interval, parts.Time, stoppingToken);
                if (parts.Time.GetElapsedTime(_checked) >= Interval)
                    await FindTroubleAsync(forPushes: false, CancellationToken.None);
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
    private Task<Look> RefreshAsync()
    {
        lock (_lock)
        {
            if (_look is not { } look || (look.Answer.IsCompleted && parts.Time.GetElapsedTime(look.Begun) >= Fresh))
                _look = look = (AskAsync(), parts.Time.GetTimestamp());
            return look.Answer;
        }
    }

    private async Task<Look> AskAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        var database = FindTroubleAsync(() => parts.PingDatabase(limit.Token), "The database does not answer.");
        var store = FindTroubleAsync(() => parts.Store.HeadAsync(ObjectKey.NixCacheInfo, limit.Token), StoreSilent);
        return (await database, await store) switch
        {
            (null, null) => new Look(null, await FindPushTroubleAsync(limit.Token)),
            (not null, StoreSilent) => new Look("Neither the database nor the object store answers.", null),
            var (ofDatabase, ofStore) => new Look(ofDatabase ?? ofStore, null),
        };
    }

    private async Task<string?> FindPushTroubleAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await parts.FindPushTrouble(cancellationToken).WaitAsync(Patience, cancellationToken);
        }
        catch (Exception e)
        {
            return e is CacheProblemException ? e.Message : "The database does not answer.";
        }
    }

    private static async Task<string?> FindTroubleAsync(Func<Task> probe, string silent)
    {
        try
        {
            await probe().WaitAsync(Patience);
            return null;
        }
        catch (Exception e)
        {
            // Who asks wants to know whether, and the log of the failing requests says why; but a refusal is an answer.
            return e is ObjectStoreException { Answer.IsRefusal: true } ? e.Message : silent;
        }
    }

    /// <param name="Trouble">Of all requests.</param>
    /// <param name="OfPushes">Of pushes only.</param>
    private sealed record Look(string? Trouble, string? OfPushes);
}
