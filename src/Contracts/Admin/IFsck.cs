namespace OrleansCache.Contracts;

/// <summary>Compares the catalog with the bucket, both ways, while pushes and collections go on. It changes nothing.</summary>
public interface IFsck
{
    /// <summary>
    /// Finds differences, and reports each as it is found. It has looked at each twice, and the rows did not change in between, so a
    /// running system gives none. Memory is a few bytes per key: a bit for each row whose object was seen, in blocks; all else
    /// is in batches.
    /// </summary>
    /// <param name="cache">Checked before anything is awaited.</param>
    /// <param name="tally">Counts what was checked, as it goes.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <exception cref="CacheProblemException">No such cache.</exception>
    IAsyncEnumerable<FsckFinding> CheckAsync(CacheName cache, FsckTally tally, CancellationToken cancellationToken);
}

/// <summary>How much of a check is done. Only the check writes it.</summary>
public sealed class FsckTally
{
    public long Keys { get; set; }

    public long Paths { get; set; }

    public long Objects { get; set; }

    public long Pins { get; set; }

    public long Multiparts { get; set; }

    public FsckChecked ToWire() => new(Keys, Paths, Objects, Pins, Multiparts);
}
