using System.Collections.Concurrent;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>Pushes whose NARs the store copies from another cache.</summary>
internal sealed partial class DirectPushes
{
    private const int StageCopiesAtOnce = 8;

    // Of the files that are to be copied; a path that is not among them has a file of our own making. Null: a client uploads.
    private IReadOnlyDictionary<StorePathHash, string>? _endings;

    /// <summary>The same for NARs that <see cref="CopyAsync"/> is to bring: their grants have no URLs.</summary>
    /// <param name="caller">Who pushes.</param>
    /// <param name="endings">How the files of paths end, such as <c>.nar.xz</c>: their keys are to end so, too.</param>
    public DirectPushes Copying(Caller caller, IReadOnlyDictionary<StorePathHash, string> endings)
    {
        var pushes = (DirectPushes)As(caller);
        pushes._endings = endings;
        return pushes;
    }

    /// <summary>
    /// Rule 3 for one NAR that the store itself copies. No server reads it: it is an upload like another, of this publisher.
    /// </summary>
    /// <remarks>1. Copy. 2. Give up a claim that this NAR cannot fill. 3. Record the copy, and tell who waits.</remarks>
    public async Task<GrantedCopy> CopyAsync(CacheName cache, PushId push, string upload, NarSource source,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var own = Own(push);
        if (!UploadGrantId.TryParse(upload, push, caches.SecretOf(id), out var grantId))
            return GrantedCopy.Ended;

        // 1.
        var copied = await copies.CopyAsync(id, own, grantId, source, cancellationToken);

        // 2.
        if (copied == GrantedCopy.Unfit)
            await catalog.RefuseAsync(id, own, [grantId], cancellationToken);
        if (copied != GrantedCopy.Stored)
            return copied;

        // 3.
        var recorded = await catalog.ReportAsync(id, own, [new CheckedUpload(grantId, source.FileHash, source.FileSize, null)], [], [],
            verified: false, cancellationToken);
        if (recorded.Exists(r => r.Outcome == UploadOutcome.PushEnded))
            throw await EndedAsync(id, push, cancellationToken);
        if (!recorded.Exists(r => r.Outcome == UploadOutcome.Stored))
            return GrantedCopy.Ended;
        Telemetry.UploadedBytes.Add(source.FileSize);
        news?.Arrived(cache, push, [grantId.NarHash]);
        return GrantedCopy.Stored;
    }

    /// <summary>Gives up claims of this push, so that nobody waits for what does not come.</summary>
    public async Task GiveUpAsync(CacheName cache, PushId push, IReadOnlyList<string> uploads, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var secret = caches.SecretOf(id);
        UploadGrantId[] grantIds = [.. uploads.Select(u => UploadGrantId.TryParse(u, push, secret, out var grantId) ? grantId : default)
            .Where(g => g.Object != 0)];
        if (grantIds.Length > 0)
            await catalog.RefuseAsync(id, Own(push), grantIds, cancellationToken);
    }

    /// <summary>
    /// Of a stage: fills claims by copies from its parent, for as long as a client likes to wait. What is not done by then, or fails, is
    /// uploaded.
    /// </summary>
    private async Task<List<Claim>> FillAsync(CacheName cache, int id, OwnPush push, Closure closure, List<Claim> claims,
        Dictionary<long, StorePathHash> hashes, CancellationToken cancellationToken)
    {
        // A claim that has a multipart upload is one of before, and a client's parts may be under way.
        var open = claims.Where(c => c.Status == ClaimStatus.Upload && c.Multipart is null).DistinctBy(c => c.Object).ToList();
        var sources = await parent!.FindAsync([.. open.Select(c => closure.Request.Paths[closure.Index[hashes[c.Path]]])],
            cancellationToken);
        open = open.FindAll(c => sources.ContainsKey(hashes[c.Path]));
        if (open.Count == 0)
            return claims;
        var granted = await grants.GrantCopiesAsync(id, push, open, cancellationToken);
        // Of what was begun; what has no end may have taken effect all the same.
        var ends = new ConcurrentDictionary<long, GrantedCopy?>();
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        soon.CancelAfter(options.StageCopies);
        await Parallel.ForEachAsync(open.Where(c => granted.ContainsKey(c.Object)), new ParallelOptions
        {
            MaxDegreeOfParallelism = StageCopiesAtOnce,
            CancellationToken = soon.Token
        }, async (claim, stop) =>
        {
            ends[claim.Object] = null;
            try
            {
                ends[claim.Object] = await CopyAsync(cache, push.Id, granted[claim.Object].Id, sources[hashes[claim.Path]], stop);
            }
            catch (Exception e) when (e is CacheProblemException or ObjectStoreException)
            {
                // The client uploads it.
            }
        }).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        await GiveUpAsync(cache, push.Id, [.. ends.Where(e => e.Value is null).Select(e => granted[e.Key].Id)], cancellationToken);

        var secret = caches.SecretOf(id);
        return [.. claims.Select(c => c.Status != ClaimStatus.Upload || !granted.TryGetValue(c.Object, out var grant) ? c
            : ends.GetValueOrDefault(c.Object, GrantedCopy.Absent) switch
            {
                GrantedCopy.Stored => c with { Status = ClaimStatus.Stored },
                // The client uploads it by the parts of what was begun for the copy.
                GrantedCopy.Absent when UploadGrantId.TryParse(grant.Id, push.Id, secret, out var grantId) =>
                    c with { Multipart = grantId.Multipart },
                // The claim was given up: the client asks again, and gets another.
                _ => c with { Status = ClaimStatus.Wait },
            })];
    }

    private IReadOnlyList<ObjectKey> MintKeys(IReadOnlyList<StorePathHash> paths)
    {
        var keys = MintedKeys.Mint(paths.Count);
        return _endings is null ? keys : [.. keys.Zip(paths, (key, path) => MintedKeys.WithEnding(key, _endings.GetValueOrDefault(path)))];
    }

    private Task<Dictionary<long, UploadGrant>> GrantAsync(int cache, OwnPush push, IReadOnlyList<Claim> claims,
        CancellationToken cancellationToken) =>
        _endings is null ? grants.GrantAsync(cache, push, claims, cancellationToken)
            : grants.GrantCopiesAsync(cache, push, claims, cancellationToken);
}
