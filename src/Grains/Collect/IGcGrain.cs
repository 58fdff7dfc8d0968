using Orleans.CodeGeneration;

namespace OrleansCache.Grains;

/// <summary>
/// The garbage collector of a cache, by <c>cache/gc</c>: one schedule for the cluster, and runs that start where the grain lives. A run
/// belongs to that process and to the catalog; any process asks the catalog for its status, history and end.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IGcGrain")]
public interface IGcGrain : IGrainWithStringKey, IRemindable
{
    /// <summary>Registers the reminder when there is a schedule. Each silo calls this at its start.</summary>
    [Alias("Arm")]
    Task ArmAsync();

    /// <summary>Starts a run, or joins the one that the same operation started.</summary>
    /// <exception cref="TimeoutException">The deadline has passed.</exception>
    [Alias("Start")]
    Task<GcStarted> StartAsync(GcStart start);

    /// <summary>What it remembers of starts and of its schedule.</summary>
    [Alias("Memory")]
    Task<GcMemory> GetMemoryAsync();
}

[GenerateSerializer, Immutable, Alias("OrleansCache.GcStart")]
public sealed record GcStart
{
    [Id(0)] public required string Operation { get; init; }

    [Id(1)] public required DateTimeOffset Deadline { get; init; }

    [Id(2)] public double? OlderThanSeconds { get; init; }

    [Id(3)] public double? FailedUploadsOlderThanSeconds { get; init; }

    [Id(4)] public double? GraceSeconds { get; init; }

    [Id(5)] public bool Force { get; init; }

    [Id(6)] public bool DryRun { get; init; }

    /// <summary>The publisher, for the audit log; absent from a caller of an earlier version.</summary>
    [Id(7)] public string? Publisher { get; init; }

    [Id(8)] public string? Address { get; init; }
}

/// <param name="Run">The run's number, or 0 with the problem.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.GcStarted")]
public sealed record GcStarted([property: Id(0)] long Run, [property: Id(1)] Problem? Problem);
