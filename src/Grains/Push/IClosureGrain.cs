using Orleans.CodeGeneration;
using Orleans.Concurrency;

namespace OrleansCache.Grains;

/// <summary>
/// A closure that somebody begins to push or uploads, by <c>cache/digest</c>: says which push is the first, and tells the others when it
/// has ended. Active until then. A file that stock Nix uploads has one, too.
/// </summary>
[Version(Contract.Version)]
[Alias("OrleansCache.IClosureGrain")]
public interface IClosureGrain : IGrainWithStringKey
{
    /// <summary>
    /// True: this operation is the first, or was so when it asked before. A first older than <paramref name="patience"/> is replaced.
    /// </summary>
    [Alias("Take")]
    Task<bool> TakeAsync(string operation, TimeSpan patience);

    /// <summary>Returns when the first has ended, or has been first for so long.</summary>
    [AlwaysInterleave]
    [Alias("Wait")]
    Task WaitAsync(TimeSpan patience);

    /// <summary>Waits for so long at most; false: the first goes on.</summary>
    [AlwaysInterleave]
    [Alias("WaitForEnd")]
    Task<bool> WaitForEndAsync(TimeSpan slice);

    /// <summary>The first has published the closure, found it complete, or given up.</summary>
    [OneWay]
    [Alias("Ended")]
    Task EndedAsync();
}
