namespace OrleansCache.Contracts;

/// <summary>Compares the catalog with the bucket, both ways, while pushes and collections go on. It changes nothing.</summary>
public interface IFsck
{
    /// <summary>
    /// Tells what differs, as it is found. Each finding was looked at a second time, and its rows did not change meanwhile: a running
    /// system gives none.
    /// Memory is a few bytes per key: a bit for each row whose object was seen, in blocks; all else is in batches.
    /// </summary>
    /// <param name="cache">Checked before anything is awaited.</param>
    /// <param name="tally">Counts what was looked at, as it goes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CacheProblemException">No such cache.</exception>
    IAsyncEnumerable<FsckFinding> CheckAsync(CacheName cache, FsckTally tally, CancellationToken cancellationToken);
}

/// <summary>How much of a check is done. Written by the check alone.</summary>
public sealed class FsckTally
{
    public long Keys { get; set; }

    public long Paths { get; set; }

    public long Objects { get; set; }

    public long Pins { get; set; }

    public long Multiparts { get; set; }

    public FsckChecked ToWire() => new(Keys, Paths, Objects, Pins, Multiparts);
}
