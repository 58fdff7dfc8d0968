using System.Diagnostics;
using System.Diagnostics.Metrics;
using OrleansCache.Core;

namespace OrleansCache.Silo;

/// <summary>What a silo tells of its cluster and of the calls that its grains answer, beside what every server tells.</summary>
internal sealed class SiloMetrics : IIncomingGrainCallFilter, IDisposable
{
    // Of Orleans' own: those that say whether the cluster is well. The rest is for who takes Orleans apart.
    private static readonly HashSet<string> FromOrleans = ["orleans-catalog-activations", "orleans-app-requests-timedout", "orleans-messaging-sent-dropped", "orleans-messaging-rejected"];

    private readonly Meter _meter = new(Telemetry.Name);
    private readonly Histogram<double> _calls;

    public SiloMetrics(ISiloStatusOracle oracle)
    {
        _calls = _meter.CreateHistogram("orleans_cache.grain_call.duration", "s", "Calls that grains here answered", null, Telemetry.Durations);
        _meter.CreateObservableGauge("orleans_cache.silos", () => oracle.GetApproximateSiloStatuses(onlyActive: true).Count, null, "Active silos as this one sees them");
        _meter.CreateObservableGauge(
            "orleans_cache.silo_status", () => new Measurement<int>(1, new KeyValuePair<string, object?>("status", oracle.CurrentStatus.ToString().ToLowerInvariant())), null, "What this silo is to its cluster");
    }

    /// <summary>False: this meter's instrument is left out.</summary>
    public static bool IsWanted(Instrument instrument) => instrument.Meter.Name != "Microsoft.Orleans" || FromOrleans.Contains(instrument.Name);

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
                Stopwatch.GetElapsedTime(started).TotalSeconds, new("grain", context.InterfaceMethod.DeclaringType.Name.TrimStart('I')), new("method", context.InterfaceMethod.Name), new("outcome", outcome));
        }
    }

    public void Dispose() => _meter.Dispose();
}
