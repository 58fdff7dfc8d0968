using OrleansCache.Contracts;
using OrleansCache.Core.Inspect;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// Checks whether this server can take requests, and whether pushes would succeed: when <c>/readyz</c> asks, else by itself, for
/// <c>/metrics</c>.
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

    /// <summary>What the cache held, at most a minute old; null before the first reading.</summary>
    public CacheNumbers? Numbers { get; private set; }

    /// <summary>Null when the server can take requests; else one sentence about what prevents it.</summary>
    /// <param name="forPushes">Also what prevents pushes, while reads go on.</param>
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
            // Short, and not cancelled at the stop: PostgreSQL would log the broken-off statement.
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
            // The last numbers stay; /readyz reports the database.
        }
    }

    // At most one check a second, however often anybody asks: the route is open.
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
            // The caller needs a yes or no, and the log of the failing requests says why. But a refusal is an answer of the store, so it is
            // passed on.
            return e is ObjectStoreException { Answer.IsRefusal: true } ? e.Message : silent;
        }
    }

    /// <param name="Trouble">Concerns all requests.</param>
    /// <param name="OfPushes">Concerns pushes only.</param>
    private sealed record Look(string? Trouble, string? OfPushes);
}
