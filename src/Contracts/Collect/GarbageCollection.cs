using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>Asks for a run of the garbage collector. An absent value is the server's configured one.</summary>
public sealed record GcRequest
{
    /// <summary>A closure whose last push is older than this is no root any more. Seconds; 720 hours unless configured.</summary>
    public double? OlderThanSeconds { get; init; }

    /// <summary>
    /// An open push without a sign of life for this long is ended, and its uploads are deleted. Seconds; 6 hours unless configured.
    /// </summary>
    public double? FailedUploadsOlderThanSeconds { get; init; }

    /// <summary>What has been condemned for this long is deleted. Seconds; 6 hours unless configured.</summary>
    public double? GraceSeconds { get; init; }

    /// <summary>No grace. As safe as with one: only readers that hold an old narinfo notice.</summary>
    public bool Force { get; set; }

    /// <summary>Change nothing, count what would be done.</summary>
    public bool DryRun { get; set; }
}

/// <summary>A run of the garbage collector. A node is a path (narinfo and listing) or an object (NAR, log, realisation).</summary>
public sealed record GcRun
{
    public required long Id { get; init; }

    public required GcState State { get; init; }

    /// <summary>
    /// <c>starting</c>, <c>marking</c>, <c>condemning</c>, <c>sweeping</c> or <c>deleting</c>; the last phase of an ended run.
    /// </summary>
    public required string Phase { get; init; }

    /// <summary>The schedule, not a request, has started it.</summary>
    public required bool Scheduled { get; init; }

    public required bool DryRun { get; init; }

    public required DateTimeOffset Started { get; init; }

    public DateTimeOffset? Finished { get; init; }

    public required double OlderThanSeconds { get; init; }

    public required double FailedUploadsOlderThanSeconds { get; init; }

    public required double GraceSeconds { get; init; }

    /// <summary>Paths in the graph, garbage included.</summary>
    public required long Paths { get; init; }

    /// <summary>Objects in the graph, garbage included.</summary>
    public required long Objects { get; init; }

    public required long FailedUploadsDeleted { get; init; }

    /// <summary>Closures that are no roots any more, as their last push is too old.</summary>
    public required long OldClosuresDeleted { get; init; }

    /// <summary>Nodes condemned by this run.</summary>
    public required long ObjectsMarkedForDeletion { get; init; }

    public required long ObjectsDeletedAfterGracePeriod { get; init; }

    /// <summary>Nodes whose deletion the store has not confirmed yet; the server tries again in the background.</summary>
    public required long ObjectsFailedToDelete { get; init; }

    /// <summary>Compressed bytes of the NARs that were deleted.</summary>
    public required long BytesFreed { get; init; }

    /// <summary>
    /// The bucket is versioned: deleted objects stay as old versions, and take their space, until the bucket's lifecycle removes them.
    /// Absent when it is not versioned, or when that is unknown.
    /// </summary>
    public bool? KeepsOldVersions { get; init; }

    /// <summary>Why the run failed; when it is done, what the store refuses to delete, and what to do.</summary>
    public string? Error { get; init; }
}

public enum GcState
{
    Running,
    Done,
    Cancelled,
    Failed,
}

/// <summary>The state of the collector, and its next run.</summary>
public sealed record GcStatus
{
    /// <summary>The run under way; absent when there is none.</summary>
    public GcRun? Current { get; init; }

    /// <summary>The run that ended last.</summary>
    public GcRun? Last { get; init; }

    /// <summary>The cron expression (UTC); absent while nothing is scheduled.</summary>
    public string? Schedule { get; init; }

    /// <summary>When the schedule is due next.</summary>
    public DateTimeOffset? Next { get; init; }

    /// <summary>The last start of a run, as the cluster remembers it; absent when it does not, or does not answer.</summary>
    public GcStartNote? Started { get; init; }

    /// <summary>When the schedule was last due, and what came of it; absent as above.</summary>
    public GcFiringNote? Fired { get; init; }
}

/// <param name="Run">The run that was started.</param>
/// <param name="At">When.</param>
/// <param name="By">The publisher who asked for it, such as <c>token:7</c>; <c>server</c>: the schedule.</param>
public sealed record GcStartNote(long Run, DateTimeOffset At, string By);

/// <param name="At">When.</param>
/// <param name="Run">The run; absent when none was started.</param>
/// <param name="Refusal">Why none was started.</param>
public sealed record GcFiringNote(DateTimeOffset At, long? Run, string? Refusal);

/// <summary>Runs, newest first.</summary>
public sealed record GcHistory
{
    public required IReadOnlyList<GcRun> Runs { get; init; }
}

/// <summary>Why a path is kept, or since when nothing keeps it.</summary>
public sealed record WhyAnswer
{
    public required StorePath Path { get; init; }

    /// <summary><c>gone</c>, <c>publishing</c>, <c>live</c>, <c>condemned</c> or <c>deleting</c>.</summary>
    public required string State { get; init; }

    /// <summary>
    /// What a server knows of its bytes: <c>verified</c>, <c>unproven</c> (of references or content address), <c>unverified</c>, or
    /// <c>legacy</c> (unverified, and from before there were publishers); absent of what is neither live nor condemned.
    /// </summary>
    public string? Verification { get; init; }

    /// <summary>What keeps it alive; absent when nothing does.</summary>
    public WhyRoot? Root { get; init; }

    /// <summary>From the root's path to this one, each refers to the next; empty when nothing keeps it alive.</summary>
    public IReadOnlyList<StorePath> Chain { get; set; } = [];

    public DateTimeOffset? CondemnedAt { get; init; }

    /// <summary>When a run with the configured grace may delete it.</summary>
    public DateTimeOffset? DeletedFrom { get; init; }
}

/// <param name="Kind"><c>pin</c>, <c>closure</c> (pushed within the retention), <c>push</c> (under way) or <c>publishing</c>.</param>
/// <param name="Name">The pin's name and revision, or the push's id.</param>
/// <param name="Until">When its protection ends by itself: with a closure's retention, or a push's expiry.</param>
public sealed record WhyRoot(string Kind, string? Name, DateTimeOffset? Until);

public sealed class GcStateConverter() : JsonStringEnumConverter<GcState>(JsonNamingPolicy.CamelCase);
