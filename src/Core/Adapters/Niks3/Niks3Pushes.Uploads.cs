using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Niks3;

/// <summary>Uploads of NARs: in parts to the store, or a small one whole to the gateway.</summary>
internal sealed partial class Niks3Pushes
{
    public async Task<IReadOnlyList<Uri>> PartsAsync(CacheName cache, string upload, Sha256Hash nar, int first, int count,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var (push, grantId) = Parse(upload, nar, caches.SecretOf(id));
        return await grants.RenewForNiks3Async(id, push, grantId, first, count, cancellationToken) ?? throw NoUpload();
    }

    public async Task UploadedAsync(CacheName cache, string upload, Sha256Hash nar, IReadOnlyList<string> md5,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var (push, grantId) = Parse(upload, nar, caches.SecretOf(id));
        if (grantId.Multipart is null)
            throw NoUpload();

        // 1. The row first: a client's word alone starts nothing in the store.
        if (!IsMissing(await catalog.UploadStateAsync(id, push, grantId, cancellationToken)))
            return;

        // 2. The bytes.
        var (rejected, found) = await check.JoinAsync(upload, grantId, md5, cancellationToken);
        if (found is null)
        {
            if (rejected!.Reason == "not-found"
                && await catalog.UploadStateAsync(id, push, grantId, cancellationToken) != NodeState.Claimed)
                throw NoUpload();
            throw new CacheProblemException(ProblemKind.BadRequest, rejected.Detail);
        }

        // 3. The row records the NAR. A client that is too late finds the NAR there all the same, or has to push again.
        if (!await RecordAsync(cache, id, push, found, check.Reads, cancellationToken)
            && !await contents.HasNarAsync(cache, _caller, grantId.NarHash, cancellationToken))
            throw NoUpload();
    }

    public async Task ReceiveNarAsync(CacheName cache, PushId push, string secret, string upload, Sha256Hash nar, ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken)
    {
        // 1. As above. The URL stands for its push: its secret was checked, and the seal of the upload is of that push.
        var id = caches.IdOf(cache);
        var (own, grantId) = Parse(upload, nar, caches.SecretOf(id));
        own = own with { Caller = Caller.Server };
        if (own.Id != push || grantId.Multipart is not null || !await IsOpenAsync(cache, push, secret, cancellationToken))
            throw NoUpload();
        var state = await catalog.UploadStateAsync(id, own, grantId, cancellationToken);
        if (state is null && await TakeAgainAsync(id, own, upload, grantId, file, cancellationToken) || !IsMissing(state))
            return;

        // 2. The bytes: what is stored is the NAR.
        var found = await StoreAsync(upload, grantId, file, cancellationToken);

        // 3. As above, and a server has read it.
        if (!await RecordAsync(cache, id, own, found, verified: true, cancellationToken))
            throw NoUpload();
    }

    private async Task<CheckedUpload> StoreAsync(string upload, UploadGrantId grantId, ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken)
    {
        var (rejected, found) = await check.StoreAsync(upload, grantId, file, cancellationToken);
        return found ?? throw new CacheProblemException(ProblemKind.BadRequest, rejected!.Detail);
    }

    // False: it is there already.
    private static bool IsMissing(NodeState? claim) => claim switch
    {
        NodeState.Claimed => true,
        NodeState.Stored or NodeState.Live or NodeState.Condemned => false,
        null or NodeState.Gone or NodeState.Publishing or NodeState.Deleting or NodeState.Tombstone => throw NoUpload(),
    };

    private async Task<bool> RecordAsync(CacheName name, int cache, OwnPush push, CheckedUpload upload, bool verified,
        CancellationToken cancellationToken)
    {
        var recorded = await reports.ReportAsync(cache, push, [upload], [], [], verified, cancellationToken);
        if (!recorded.TrueForAll(r => r.Outcome == UploadOutcome.Stored))
            return false;
        news?.Arrived(name, push.Id, [upload.GrantId.NarHash]);
        return true;
    }

    private (OwnPush Push, UploadGrantId GrantId) Parse(string upload, Sha256Hash nar, byte[] secret)
    {
        var at = upload.IndexOf('~', StringComparison.Ordinal);
        return at > 0 && PushId.TryParse(upload[..at], out var push) && UploadGrantId.TryParse(upload[(at + 1)..], push, secret,
            out var grantId) && grantId.NarHash == nar
            ? (Own(push), grantId)
            : throw NoUpload();
    }

    private static CacheProblemException NoUpload() => new(ProblemKind.PushEnded, "There is no such upload, or it has ended.");
}
