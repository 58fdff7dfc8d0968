using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Core.Caches;

/// <summary>
/// Background work over all caches: says in which there is something to do, so that the others cost nothing; signs anew with new keys;
/// counts for quotas; deletes what a deleted cache has left.
/// </summary>
internal sealed partial class CacheKeeper(
    CacheRegistry caches, CacheCatalog catalog, KeyCatalog keys, PushOptions pushes, TimeSpan? auditLife, TimeProvider time, ILogger logger)
{
    private const int SignBatch = 2_000;
    private const long SignWindow = 100_000;
    private const int ForgetBatch = 10_000;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan UsedWithin = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CountEvery = TimeSpan.FromSeconds(10);
    // So many times as long as a count took is at least between one and the next.
    private const int CountPause = 20;
    private static readonly TimeSpan ForgetEvery = TimeSpan.FromHours(1);
    private static readonly TimeSpan SignTurn = TimeSpan.FromSeconds(4);
    // A collection that keeps nothing, and has no grace.
    private static readonly GcRequest Everything = new() { OlderThanSeconds = 0, FailedUploadsOlderThanSeconds = 0, Force = true };

    private long _lookedAtAll;
    private long? _forgot;
    // How long the last count of each cache took.
    private readonly Dictionary<int, TimeSpan> _counting = [];

    public async Task RunAsync(CancellationToken stopping)
    {
        _lookedAtAll = time.GetTimestamp();
        while (!stopping.IsCancellationRequested)
        {
            await Task.Delay(Interval * (0.8 + 0.4 * Random.Shared.NextDouble()), time, stopping)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stopping.IsCancellationRequested)
                await RunOnceAsync(stopping);
        }
    }

    /// <summary>One turn. Each step runs by itself, so that a failure does not stop the others.</summary>
    public async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var entries = caches.Entries;
        if (auditLife is { } life && (_forgot is not { } last || time.GetElapsedTime(last) >= ForgetEvery))
        {
            _forgot = time.GetTimestamp();
            await StepAsync("forgetting caches that are gone", () => catalog.ForgetDeletedAsync(life, ForgetBatch, cancellationToken),
                cancellationToken);
        }

        if (entries.Count > 1)
            await StepAsync("looking for work in the caches", () => RestAsync(entries, cancellationToken), cancellationToken);
        foreach (var entry in entries.Where(e => e.Services is not null))
        {
            if (entry.Row.Settings is { } settings && (settings.QuotaBytes ?? settings.QuotaPaths) is not null)
                await StepAsync("counting what a cache has", () => CountAsync(entry.Row.Id, cancellationToken), cancellationToken);
            if (entry.Row.Keys.Any(k => k.IsSigning))
                await StepAsync("signing anew", () => SignAsync(entry, cancellationToken), cancellationToken);
            if (entry.Row.Deleting is not null)
                await StepAsync("deleting a cache", () => DeleteAsync(entry, cancellationToken), cancellationToken);
        }
    }

    private async Task RestAsync(IReadOnlyList<CacheRegistry.Entry> entries, CancellationToken cancellationToken)
    {
        var others = entries.Where(e => e.Row.Name != CacheName.Default && e.Services is not null).ToList();
        var all = time.GetElapsedTime(_lookedAtAll) >= LookEvery;
        if (all)
            _lookedAtAll = time.GetTimestamp();
        var idle = all ? [] : others.FindAll(e => !e.Services!.IsUsedWithin(UsedWithin));
        var scrubs = idle.Exists(e => e.Services!.Options.Verify.ScrubRate > 0);
        var busy = idle.Count == 0 ? [] : await catalog.AtWorkAsync([.. idle.Select(e => e.Row.Id)], pushes.LateUpload, scrubs,
            cancellationToken);
        foreach (var entry in others)
            entry.Services!.Rest(idle.Contains(entry) && !busy.Contains(entry.Row.Id));
    }

    private async Task CountAsync(int cache, CancellationToken cancellationToken)
    {
        var took = _counting.GetValueOrDefault(cache);
        var began = time.GetTimestamp();
        if (await keys.CountAsync(cache, TimeSpan.FromTicks(Math.Max(CountEvery.Ticks, CountPause * took.Ticks)), cancellationToken))
            _counting[cache] = time.GetElapsedTime(began);
    }

    // The catalog says which paths, and the publisher writes them: both in small steps, for a part of the time.
    private async Task SignAsync(CacheRegistry.Entry entry, CancellationToken cancellationToken)
    {
        var services = entry.Services!;
        for (var began = time.GetTimestamp(); time.GetElapsedTime(began) < SignTurn;)
        {
            var step = await keys.SignAnewAsync(entry.Row.Id, SignBatch, SignWindow, pushes.KeySettles, services.Options.FileKeys,
                cancellationToken);
            if (step is SigningStep.Done)
            {
                LogSigned(entry.Row.Name);
                await caches.LookAsync(TimeSpan.Zero, cancellationToken);
            }

            if (step is SigningStep.None or SigningStep.Done)
                return;
            await services.SignAsync(cancellationToken);
            if (step == SigningStep.Round)
                return;
        }
    }

    private async Task DeleteAsync(CacheRegistry.Entry entry, CancellationToken cancellationToken)
    {
        var (row, services) = (entry.Row, entry.Services!);
        foreach (var pin in await catalog.CloseAsync(row.Id, cancellationToken))
            await services.Pins.As(Caller.Server).DeleteAsync(row.Name, PinName.Parse(pin), PinCondition.None, OperationId.New(),
                TimeSpan.Zero, cancellationToken);
        switch (await catalog.LeftAsync(row.Id, cancellationToken))
        {
            case RestOfCache.Live when (await services.Collection.StatusAsync(row.Name, cancellationToken)).Current is null:
                try
                {
                    await services.Collection.StartAsync(row.Name, Everything, OperationId.New(), cancellationToken);
                }
                catch (CacheProblemException e) when (e.Kind == ProblemKind.GcRunning)
                {
                    // Another server was first.
                }

                break;
            case RestOfCache.Empty:
                // What servers write beside the rows.
                await services.Options.Store.DeleteAsync([ObjectKey.NixCacheInfo, ObjectKey.Page], time.GetUtcNow() + pushes.Fence,
                    cancellationToken);
                if (await catalog.ForgetAsync(row.Id, ForgetBatch, cancellationToken))
                {
                    LogDeleted(row.Name);
                    await caches.LookAsync(TimeSpan.Zero, cancellationToken);
                }

                break;
        }
    }

    private async Task StepAsync(string what, Func<Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step();
        }
        catch (Exception e)
        {
            // At a stop everything fails, and says nothing.
            if (!cancellationToken.IsCancellationRequested)
                LogFailed(e, what);
        }
    }

    [LoggerMessage(LogLevel.Information, "cache {Cache}: all is signed with the new key")]
    private partial void LogSigned(CacheName cache);

    [LoggerMessage(LogLevel.Information, "cache {Cache} is deleted")]
    private partial void LogDeleted(CacheName cache);

    [LoggerMessage(LogLevel.Warning, "{What} failed; it is tried again")]
    private partial void LogFailed(Exception e, string what);
}
