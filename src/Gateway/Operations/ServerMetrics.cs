using System.Diagnostics.Metrics;
using OrleansCache.Core.Common;
using OrleansCache.Core.Inspect;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;

namespace OrleansCache.Gateway.Operations;

/// <summary>Metrics that are read when somebody asks for them, rather than counted as things happen.</summary>
internal sealed class ServerMetrics : IDisposable
{
    private readonly Meter _meter = new(Telemetry.Name);
    private readonly DatabaseConnections _connections = new();

    /// <param name="parts">What is served.</param>
    /// <param name="watch">Knows the last check.</param>
    /// <param name="engine"><c>direct</c> or <c>orleans</c>.</param>
    public ServerMetrics(GatewayParts parts, HealthWatch watch, string engine)
    {
        _meter.CreateObservableGauge("orleans_cache.build_info", () => new Measurement<int>(1, new("version", CacheInfos.ServerVersion),
            new("engine", engine)), null, "What runs here");
        _meter.CreateObservableGauge("orleans_cache.ready", () => watch.WasReady ? 1 : 0, null,
            "1 when the last check of /readyz was good");
        _meter.CreateObservableGauge("orleans_cache.ready_for_push", () => watch.WasReadyForPushes ? 1 : 0, null,
            "1 when pushes would have succeeded at the last check of /readyz");
        _meter.CreateObservableCounter("orleans_cache.database_statements", parts.StatementCount, null, "Statements sent to PostgreSQL");
        _meter.CreateObservableGauge("orleans_cache.database_connections", _connections.Read, null, "Connections to PostgreSQL");
        _meter.CreateObservableGauge("orleans_cache.gc_last_success_timestamp", () =>
            Of(watch, n => n.Collected?.ToUnixTimeMilliseconds() / 1000.0), "s", "When a collection last succeeded anywhere");
        if (parts.CertificateEnd is { } end)
            _meter.CreateObservableGauge("orleans_cache.tls_not_after_timestamp", () => end().ToUnixTimeSeconds(), "s",
                "When the server's certificate expires");
        _meter.CreateObservableGauge("orleans_cache.paths", () => Of(watch, n => n.Paths), null,
            "Store paths in the cache; an estimate where it is large");
        _meter.CreateObservableGauge("orleans_cache.objects", () => Of(watch, n => n.Objects), null,
            "NARs, logs and realisations in the cache; an estimate where it is large");
        _meter.CreateObservableGauge("orleans_cache.stored", () => Of(watch, n => n.Bytes), "By",
            "Their size, compressed; an estimate where the cache is large");
        _meter.CreateObservableGauge("orleans_cache.verification_backlog", () => Of(watch, n => n.Unread), null,
            "NARs that wait to be read in the store");
        _meter.CreateObservableGauge("orleans_cache.verification_backlog_bytes", () => Of(watch, n => n.UnreadBytes), "By",
            "Their size, compressed");
        _meter.CreateObservableGauge("orleans_cache.verification_oldest", () =>
            Of(watch, n => n.UnreadSince is { } since ? (n.Asked - since).TotalSeconds : 0), "s", "How long the oldest of them waits");
        _meter.CreateObservableGauge("orleans_cache.waiting_paths", () => Of(watch, n => n.Waiting), null,
            "Paths that were put before their references");
        _meter.CreateObservableGauge("orleans_cache.lost_boundaries", () => Of(watch, n => n.LostBoundaries), null,
            "Paths that an upstream had and has no more");
        _meter.CreateObservableGauge("orleans_cache.pins", () => Of(watch, n => n.Pins), null, "Pins");
    }

    public void Dispose()
    {
        _meter.Dispose();
        _connections.Dispose();
    }

    // Absent until it is known.
    private static IEnumerable<Measurement<double>> Of(HealthWatch watch, Func<CacheNumbers, double?> pick) =>
        watch.Numbers is { } numbers && pick(numbers) is { } value ? [new Measurement<double>(value)] : [];
}
