using Orleans.CodeGeneration;
using Orleans.Concurrency;

namespace OrleansCache.Grains;

/// <summary>
/// A closure that somebody begins to push or uploads, by <c>cache/digest</c>: tells the first of many, and the others when it has ended.
/// Awake until then.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IClosureGrain")]
public interface IClosureGrain : IGrainWithStringKey
{
    /// <summary>
    /// True: this operation goes first, or did when it asked before. One that has gone first for longer than <paramref name="patience"/> is
    /// waited for no longer.
    /// </summary>
    [Alias("Take")]
    Task<bool> TakeAsync(string operation, TimeSpan patience);

    /// <summary>Until the first has ended, or has gone first for so long.</summary>
    [AlwaysInterleave]
    [Alias("Wait")]
    Task WaitAsync(TimeSpan patience);

    /// <summary>The first has pushed it, found it whole, or given up.</summary>
    [OneWay]
    [Alias("Ended")]
    Task EndedAsync();
}
