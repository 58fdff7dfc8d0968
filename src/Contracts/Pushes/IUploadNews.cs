using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// News of other processes' pushes, faster than asking the catalog. It is advice: whoever acts on it asks the catalog for the truth, and
/// asks more often without it. No call here waits or throws.
/// </summary>
public interface IUploadNews
{
    /// <summary>
    /// A push uploads or waits, so other pushes may wait for it until it ends or lapses. A push that finds everything there is not
    /// announced.
    /// </summary>
    void Opened(CacheName cache, PushId push, DateTimeOffset expires);

    /// <summary>The push has got so many NARs to upload, more than it had before.</summary>
    /// <param name="expires">Null: as it was said before.</param>
    void Uploads(CacheName cache, PushId push, DateTimeOffset? expires, int nars);

    /// <summary>
    /// Says by which other push each NAR is uploaded; null: by none that is known. Those are noted as this push's, for whoever asks next.
    /// Answers nulls when nobody knows at the moment.
    /// </summary>
    Task<IReadOnlyList<Uploader?>> ClaimAsync(CacheName cache, PushId push, UploadClaims claims, CancellationToken cancellationToken);

    /// <summary>
    /// Which other push of the trust group uploads these paths, or, of other groups, which of those that <see cref="ClaimAsync"/> told this
    /// push of? Notes nothing.
    /// </summary>
    Task<IReadOnlyList<Uploader?>> UploadersAsync(CacheName cache, PushId push, string group, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken);

    /// <summary>What was noted as this push's is not uploaded by it, as the catalog has decided otherwise.</summary>
    void Released(CacheName cache, PushId push, IReadOnlyList<StorePathHash> paths);

    /// <summary>The push's client showed a sign of life.</summary>
    void Alive(CacheName cache, PushId push);

    /// <summary>Uploads of these NARs were recorded.</summary>
    void Arrived(CacheName cache, PushId push, IReadOnlyList<Sha256Hash> nars);

    void Ended(CacheName cache, PushId push);

    /// <summary>
    /// Follows a push that somebody waits for: yields what has arrived, or null when it has ended or news may have been lost.
    /// </summary>
    /// <exception cref="Exception">No news is available at the moment.</exception>
    IAsyncEnumerable<Arrival?> FollowAsync(CacheName cache, PushId push, CancellationToken cancellationToken);
}

/// <summary>NARs that a push wants to upload, or else to have from others.</summary>
/// <param name="Group">The trust group of the push.</param>
/// <param name="Rank">Of its publisher. What another group uploads on a lower rank's word is not waited for.</param>
/// <param name="Adopts">What another trust group uploads is as good, as a server reads it first.</param>
/// <param name="Rate">Bytes per second that an upload is taken to need: an upload for twice that time is nothing to wait for.</param>
public sealed record UploadClaims(string Group, int Rank, bool Adopts, long Rate, IReadOnlyList<WantedNar> Nars);

/// <param name="Path">The path that it belongs to.</param>
public readonly record struct WantedNar(StorePathHash Path, Sha256Hash NarHash, long NarSize);

/// <param name="IsOwn">It is of the same trust group.</param>
public sealed record Uploader(PushId Push, Sha256Hash NarHash, bool IsOwn);

/// <param name="Nars">That have arrived since the last news.</param>
/// <param name="IsComplete">All that the push has to upload has arrived, so its end is near.</param>
public sealed record Arrival(IReadOnlyList<Sha256Hash> Nars, bool IsComplete);
