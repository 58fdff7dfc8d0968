using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>A NAR of another cache's store.</summary>
/// <param name="FileHash">Of the compressed file, where it is known.</param>
internal sealed record NarSource(IObjectStore Store, ObjectKey Key, Sha256Hash NarHash, long NarSize, Sha256Hash? FileHash, long FileSize);

/// <summary>What became of a grant whose NAR the store was to copy.</summary>
internal enum GrantedCopy
{
    Stored,

    /// <summary>There is no such object in the source any more.</summary>
    Absent,

    /// <summary>The source, or the granted key, is not such that the one can be under the other; the claim was given up.</summary>
    Unfit,

    /// <summary>The grant has ended.</summary>
    Ended,
}

/// <summary>Fills grants by copies that the store makes: an upload without a client.</summary>
/// <param name="store">The target's.</param>
/// <param name="places">Bounds the copies of this process.</param>
internal sealed class UploadCopies(IObjectStore store, UploadGrants grants, PublisherPlaces places, PushOptions options,
    TimeProvider time)
{
    /// <remarks>
    /// 1. Wait for a place. 2. Ask whether the grant holds still, and extend it. 3. Compare: the NAR must be the granted one, within the
    /// grant's bounds, and compressed as the key says. 4. Copy, and extend the grant meanwhile; with the grant the copy ends. 5. Make it
    /// durable.
    /// </remarks>
    public async Task<GrantedCopy> CopyAsync(int cache, OwnPush push, UploadGrantId granted, NarSource source,
        CancellationToken cancellationToken)
    {
        // 1.
        using var place = await places.TakeAsync(push.Caller.Publisher, cancellationToken);

        // 2.
        if (await grants.ExtendAsync(cache, push, granted, cancellationToken) is not { } grant)
            return GrantedCopy.Ended;

        // 3.
        if (source.NarHash != grant.NarHash || source.NarSize != grant.NarSize || source.FileSize > UploadGrants.MaxFile(grant.NarSize)
            || MintedKeys.EndingOf(source.Key) != MintedKeys.EndingOf(grant.Key) || grant.Multipart is null != store.IsLocal)
            return GrantedCopy.Unfit;

        // 4.
        var copied = await CopyHeldAsync(cache, push, grant, source, cancellationToken);

        // 5.
        if (copied == CopyOutcome.Done)
            await store.SyncAsync([grant.Key], cancellationToken);
        return copied switch
        {
            CopyOutcome.Done => GrantedCopy.Stored,
            CopyOutcome.Absent => GrantedCopy.Absent,
            _ => GrantedCopy.Unfit,
        };
    }

    private async Task<CopyOutcome> CopyHeldAsync(int cache, OwnPush push, UploadGrantId grant, NarSource source,
        CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var copy = store.CopyAsync(source.Store, source.Key, source.FileSize, grant.Key, grant.Multipart, ending.Token);
        try
        {
            while (await Task.WhenAny(copy, Task.Delay(options.UrlLife / 3, time, ending.Token)) != copy)
            {
                if (await grants.ExtendAsync(cache, push, grant, cancellationToken) is null)
                    return CopyOutcome.Ended;
            }

            return await copy;
        }
        finally
        {
            await ending.CancelAsync();
            await ((Task)copy).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
