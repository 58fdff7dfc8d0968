using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OrleansCache.Core.Common;

/// <summary>
/// The metrics and spans of the write path: counters and durations of this process. <c>docs/server.md</c> lists them. No label has more
/// than a few values.
/// </summary>
public static class Telemetry
{
    /// <summary>The name of the meter and of the source of spans.</summary>
    public const string Name = "OrleansCache";

    /// <summary>Bounds in seconds, from an answer out of memory to the longest commit.</summary>
    public static readonly InstrumentAdvice<double> Durations = new()
    {
        HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025,
        0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    };

    internal static readonly ActivitySource Spans = new(Name);

    private static readonly Meter Meter = new(Name);

    internal static readonly Counter<long> PushesOpened = Meter.CreateCounter<long>("orleans_cache.pushes_opened", null,
        "Pushes that were opened here, or joined by a retry");
    internal static readonly Counter<long> PushesEnded = Meter.CreateCounter<long>("orleans_cache.pushes", null, "Pushes that ended here");
    internal static readonly Counter<long> Claims = Meter.CreateCounter<long>("orleans_cache.claims", null,
        "Paths that a push lacked, by what it was told to do about them");
    internal static readonly Counter<long> PathsPublished = Meter.CreateCounter<long>("orleans_cache.paths_published", null,
        "Store paths that became live");
    internal static readonly Counter<long> UploadedBytes = Meter.CreateCounter<long>("orleans_cache.uploaded", "By",
        "Recorded uploads, compressed");
    /// <summary>Paths that niks3's clients left out, as their NARs are larger than this server takes.</summary>
    public static readonly Counter<long> SkippedPaths = Meter.CreateCounter<long>("orleans_cache.skipped_paths", null,
        "Paths that niks3's clients left out for their size");

    /// <summary>The sizes of their NARs.</summary>
    public static readonly Counter<long> SkippedBytes = Meter.CreateCounter<long>("orleans_cache.skipped", "By",
        "The sizes of NARs that niks3's clients left out");
    internal static readonly Counter<long> GcRuns = Meter.CreateCounter<long>("orleans_cache.gc_runs", null, "Collections that ended here");
    internal static readonly Counter<long> GcNodes = Meter.CreateCounter<long>("orleans_cache.gc_nodes", null,
        "Paths and objects that collections condemned and deleted here");
    internal static readonly Counter<long> GcBytes = Meter.CreateCounter<long>("orleans_cache.gc_freed", "By",
        "What collections freed in the bucket");
    internal static readonly Histogram<double> GcPhases = Meter.CreateHistogram<double>(
        "orleans_cache.gc_phase.duration", "s", "How long the phases of collections took", null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1, 10, 60, 300, 1800, 7200] });
    internal static readonly Counter<long> DatabaseErrors = Meter.CreateCounter<long>("orleans_cache.database_errors", null,
        "Statements that PostgreSQL refused or did not answer, each attempt");
    internal static readonly Counter<long> StoreRequests = Meter.CreateCounter<long>("orleans_cache.store_requests", null,
        "Calls to the store, each attempt");
    internal static readonly Counter<long> StoreErrors = Meter.CreateCounter<long>("orleans_cache.store_errors", null,
        "Calls to the store that it refused or did not answer, each attempt");
    internal static readonly Histogram<double> StoreDurations = Meter.CreateHistogram("orleans_cache.store_request.duration", "s",
        "How long the store took to answer", null, Durations);

    internal static readonly Counter<long> Verified = Meter.CreateCounter<long>("orleans_cache.verifications", null,
        "Stored NARs that were read here");
    internal static readonly Counter<long> VerifyRefused = Meter.CreateCounter<long>("orleans_cache.verification_refusals", null,
        "Stored NARs that were not what their publisher had declared");
    internal static readonly Counter<long> VerifiedBytes = Meter.CreateCounter<long>("orleans_cache.verified", "By",
        "Stored bytes that were read to verify them");

    private static readonly (Counter<long> Counter, string Label, string[] Values)[] Labelled =
    [
        (PushesEnded, "outcome", ["committed", "aborted", "expired", "failed"]),
        (Claims, "outcome", ["present", "stored", "upload", "wait"]),
        (GcRuns, "outcome", ["succeeded", "failed", "cancelled"]),
        (GcNodes, "outcome", ["condemned", "deleted"]),
        (Verified, "outcome", ["verified", "refused"]),
    ];

    /// <summary>
    /// Starts each counter at 0 for all values of its label, as a first failure would not show as an increase otherwise. Call it once a
    /// listener is there.
    /// </summary>
    internal static void BeginAtZero(IReadOnlyList<string> storeOperations, IReadOnlyList<string> storeOutcomes)
    {
        foreach (var (counter, label, values) in Labelled)
        {
            foreach (var value in values)
                counter.Add(0, new KeyValuePair<string, object?>(label, value));
        }

        foreach (var operation in storeOperations)
        {
            foreach (var outcome in storeOutcomes)
                StoreRequests.Add(0, new("operation", operation), new("outcome", outcome));
        }

        foreach (var counter in (Counter<long>[])[PushesOpened, PathsPublished, UploadedBytes, SkippedPaths, SkippedBytes, GcBytes,
            VerifiedBytes])
            counter.Add(0);
    }

    internal static void Add(this Counter<long> counter, string outcome, long count = 1) =>
        counter.Add(count, new KeyValuePair<string, object?>("outcome", outcome));
}
