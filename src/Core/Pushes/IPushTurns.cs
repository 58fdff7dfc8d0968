using OrleansCache.Protocol;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// Lets the first push of a closure go ahead of others of just the same: who begins when it has ended finds all of it there, and neither claims, waits nor publishes.
/// Advice like <see cref="IUploadNews"/>: who does not wait, or not long enough, is as right.
/// </summary>
public interface IPushTurns
{
    /// <summary>
    /// True at once for the first, which tells what it finds by <see cref="Opened"/>. For others false, once the first needs no waiting for, or after a few seconds.
    /// </summary>
    /// <param name="closure">Equal for what names the same paths with the same contents and roots.</param>
    Task<bool> TakeAsync(CacheName cache, byte[] closure, OperationId operation, CancellationToken cancel);

    /// <summary>What a begin found. Does not wait or throw.</summary>
    /// <param name="first">What <see cref="TakeAsync"/> answered.</param>
    /// <param name="opened">Others wait until it ends when something is missing. Null: it was not opened, and nobody waits for it.</param>
    void Opened(CacheName cache, byte[] closure, bool first, PushOpened? opened);
}
