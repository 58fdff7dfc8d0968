using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>
/// What pushes of other processes are doing, told faster than the catalog can be asked. It is advice: whoever acts on it asks the catalog
/// what is true, and without it
/// asks more often. Nothing here waits or throws.
/// </summary>
public interface IUploadNews
{
    /// <summary>
    /// A push uploads or waits, so it is open for a while; others may come to wait for it until it ends or lapses. One that finds all it
    /// names is not told of.
    /// </summary>
    void Opened(CacheName cache, PushId push, DateTimeOffset expires);

    /// <summary>Its client showed a sign of life.</summary>
    void Alive(CacheName cache, PushId push);

    /// <summary>Uploads of these NARs were recorded.</summary>
    void Arrived(CacheName cache, PushId push, IReadOnlyList<Sha256Hash> nars);

    void Ended(CacheName cache, PushId push);

    /// <summary>
    /// Follows a push that somebody waits for: which NARs have arrived, or null when it has ended, or anything may have happened.
    /// </summary>
    /// <exception cref="Exception">There is no news to be had just now.</exception>
    IAsyncEnumerable<IReadOnlyList<Sha256Hash>?> FollowAsync(CacheName cache, PushId push, CancellationToken cancellationToken);
}
