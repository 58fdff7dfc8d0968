using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Landing;

/// <summary>
/// Writes the page into the bucket as <c>index.html</c> for readers there. Every server does, at most once a minute, and only when it
/// differs. Servers write the same page; where two differ, the next turn decides.
/// </summary>
internal sealed partial class LandingWriter(GatewayParts parts, LandingSource source, ILogger<LandingWriter> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(20);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await TryWriteAsync(stoppingToken);
                await Task.Delay(Interval * (1 + Random.Shared.NextDouble()), parts.Time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task TryWriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Not cancelled at the stop: PostgreSQL would log the broken-off statement.
            var page = await source.ReadAsync(parts.ViewOf(CacheName.Default), CancellationToken.None);
            if (await StoredObject.IsAsync(parts.Store, ObjectKey.Page, page, cancellationToken) == true)
                return;
            await parts.Store.PutAsync(ObjectKey.Page, page, KeyHeaders.For(ObjectKey.Page), parts.Time.GetUtcNow() + Fence,
                cancellationToken);
            await parts.Store.SyncAsync([ObjectKey.Page], cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            // No failure here is a reason to stop serving.
            LogFailed(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "index.html could not be written; it is tried again")]
    private partial void LogFailed(Exception e);
}
