namespace OrleansCache.Bench;

/// <summary>One of those that are compared: what it runs against a server of its own build.</summary>
/// <param name="Lab">Starts its servers.</param>
/// <param name="RunAsync">What is measured. The URL is the server's, or that of a <see cref="CountingProxy"/> before it.</param>
internal sealed record Candidate(string Name, ServerLab Lab, Func<CacheServer, string, Task<ChildRun>> RunAsync)
{
    /// <summary>What the server needs first; not measured.</summary>
    public Func<CacheServer, Task> PrepareAsync { get; init; } = _ => Task.CompletedTask;

    /// <summary>Throws when a run has not done what it should; not measured.</summary>
    public Func<CacheServer, Task> CheckAsync { get; init; } = _ => Task.CompletedTask;
}
