namespace OrleansCache.Grains;

/// <summary>State <c>memory</c>: what the collector of a cache remembers beyond its runs, which the catalog has.</summary>
[GenerateSerializer, Immutable, Alias("OrleansCache.GcMemory")]
public sealed record GcMemory
{
    /// <summary>The last start of a run through the grain.</summary>
    [Id(0)] public GcStartMemory? Started { get; init; }

    /// <summary>The last time that the schedule was due, and what came of it.</summary>
    [Id(1)] public GcFiringMemory? Fired { get; init; }
}

/// <param name="Run">The run.</param>
/// <param name="At">When.</param>
/// <param name="By">The publisher who asked for it.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.GcStartMemory")]
public sealed record GcStartMemory([property: Id(0)] long Run, [property: Id(1)] DateTimeOffset At, [property: Id(2)] string By);

/// <param name="Operation">The run's operation, which has the due time as its name.</param>
/// <param name="At">When the reminder first came to it.</param>
/// <param name="Run">The run; null: none was started.</param>
/// <param name="Refusal">Why none was started.</param>
[GenerateSerializer, Immutable, Alias("OrleansCache.GcFiringMemory")]
public sealed record GcFiringMemory([property: Id(0)] string Operation, [property: Id(1)] DateTimeOffset At,
    [property: Id(2)] long? Run, [property: Id(3)] string? Refusal);
