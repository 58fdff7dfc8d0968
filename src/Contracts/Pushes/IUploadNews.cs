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

    /// <summary>The push's client showed a sign of life.</summary>
    void Alive(CacheName cache, PushId push);

    /// <summary>Uploads of these NARs were recorded.</summary>
    void Arrived(CacheName cache, PushId push, IReadOnlyList<Sha256Hash> nars);

    void Ended(CacheName cache, PushId push);

    /// <summary>
    /// Follows a push that somebody waits for: yields the NARs that have arrived, or null when it has ended or news may have been lost.
    /// </summary>
    /// <exception cref="Exception">No news is available at the moment.</exception>
    IAsyncEnumerable<IReadOnlyList<Sha256Hash>?> FollowAsync(CacheName cache, PushId push, CancellationToken cancellationToken);
}
