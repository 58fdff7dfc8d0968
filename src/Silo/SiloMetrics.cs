using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry.Metrics;
using OrleansCache.Core.Common;

namespace OrleansCache.Silo;

/// <summary>A silo's metrics, beside those of every server: its cluster, and the calls that its grains answer.</summary>
public sealed class SiloMetrics : IIncomingGrainCallFilter, IDisposable
{
    // Those of Orleans' metrics that say whether the cluster is well; the others are for developers of Orleans.
    private static readonly HashSet<string> FromOrleans = ["orleans-catalog-activations", "orleans-app-requests-timedout",
        "orleans-messaging-sent-dropped", "orleans-messaging-rejected"];

    private readonly Meter _meter = new(Telemetry.Name);
    private readonly Histogram<double> _calls;

    /// <param name="silo">The running silo; null: there is none.</param>
    public SiloMetrics(Func<ISiloStatusOracle?> silo)
    {
        _calls = _meter.CreateHistogram("orleans_cache.grain_call.duration", "s", "Calls that grains here answered", null,
            Telemetry.Durations);
        _meter.CreateObservableGauge("orleans_cache.silos", () => silo()?.GetApproximateSiloStatuses(onlyActive: true).Count ?? 0, null,
            "Active silos as this one sees them");
        _meter.CreateObservableGauge(
            "orleans_cache.silo_status", () => new Measurement<int>(1, new KeyValuePair<string, object?>("status",
                silo()?.CurrentStatus.ToString().ToLowerInvariant() ?? "none")), null, "What this silo is to its cluster");
    }

    /// <summary>Adds Orleans' own metrics where metrics are shown.</summary>
    public static void Show(MeterProviderBuilder metrics) => metrics.AddMeter("Microsoft.Orleans")
        .AddView(i => i.Meter.Name != "Microsoft.Orleans" || FromOrleans.Contains(i.Name) ? null : MetricStreamConfiguration.Drop);

    public async Task Invoke(IIncomingGrainCallContext context)
    {
        // Orleans has grains of its own, such as the dashboard's.
        if (context.InterfaceMethod?.DeclaringType?.Namespace?.StartsWith("OrleansCache.", StringComparison.Ordinal) != true)
        {
            await context.Invoke();
            return;
        }

        var started = Stopwatch.GetTimestamp();
        var outcome = "failed";
        try
        {
            await context.Invoke();
            outcome = "ok";
        }
        finally
        {
            _calls.Record(
                Stopwatch.GetElapsedTime(started).TotalSeconds, new("grain", context.InterfaceMethod.DeclaringType.Name.TrimStart('I')),
                new("method", context.InterfaceMethod.Name), new("outcome", outcome));
        }
    }

    public void Dispose() => _meter.Dispose();
}
