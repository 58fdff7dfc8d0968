using OrleansCache.Contracts;
using OrleansCache.Core.Adapters.NixCopy;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Attic;

/// <summary>
/// The contract in process: any number of these on one catalog are right together. 1. The NAR is stored. 2. The path is recorded. 3. It is
/// published if its references are there, and so is what has waited for it (<see cref="WaitingPublisher"/>).
/// </summary>
internal sealed class DirectAtticPushes(CacheDirectory caches, AtticCatalog catalog, NixCopyCatalog nix, AtticReceiver receiver,
    WaitingPublisher publisher, PushOptions options) : IAtticPushes
{
    // A hold takes some thousand promises.
    private const int PathsAtOnce = 1_000;

    public async Task<IReadOnlyList<StorePathHash>> FindMissingAsync(CacheName cache, Caller caller, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var missing = new List<StorePathHash>();
        foreach (var chunk in paths.Distinct().Chunk(PathsAtOnce))
        {
            var present = await nix.PromiseAsync(id, caller, chunk, cancellationToken);
            var absent = chunk.Where((_, i) => !present[i]).ToList();
            if (absent.Count > 0)
                missing.AddRange(absent.Except(await catalog.PromiseAsync(id, caller, absent, cancellationToken)));
        }

        return missing;
    }

    public async Task<AtticUpload> UploadAsync(CacheName cache, Caller caller, AtticPath path, Stream nar, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        ReferenceLimit.Check([(path.Path, path.References.Count)], options);
        var declared = InfoOf(path, null);
        if (!DeclaredAddress.IsTrue(DirectNixCopy.DeclarationOf(declared), declared.References))
            throw DeclaredAddress.Refusal([DirectNixCopy.DeclarationOf(declared)]);
        var stored = await receiver.ReceiveAsync(id, caller, path, nar, cancellationToken);
        var info = InfoOf(path, stored);
        var row = new WaitingRow(caller, info, PathDigest.Of(DirectNixCopy.DeclarationOf(info)));
        var awaits = await RecordAsync(id, row, cancellationToken);
        return new AtticUpload(await publisher.PublishAsync(id, row, awaits, patience, cancellationToken), stored.WasStored, stored.Size);
    }

    public async Task<WaitingPathList> ListWaitingAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        new(await catalog.ListAsync(caches.IdOf(cache), limit, cancellationToken));

    private async Task<StorePathHash?> RecordAsync(int cache, WaitingRow row, CancellationToken cancellationToken)
    {
        var (outcome, awaits) = await catalog.RecordAsync(cache, row, cancellationToken);
        if (outcome == RecordOutcome.Due)
        {
            await nix.PromiseAsync(cache, row.Caller, null, null, cancellationToken);
            (outcome, awaits) = await catalog.RecordAsync(cache, row, cancellationToken);
        }

        switch (outcome)
        {
            case RecordOutcome.Waiting:
                return awaits;
            case RecordOutcome.Full:
                throw new CacheProblemException(ProblemKind.QuotaExceeded,
                    $"So many paths of the publisher '{row.Caller.Publisher}' wait for their references that no more are taken " +
                    $"({AtticCatalog.MaxWaiting}, or {AtticCatalog.MaxWaitingBytes >> 20} MiB of what they declare). Push what they " +
                    "need; what is never completed goes after two hours.");
            case RecordOutcome.Due:
                throw new CacheProblemException(ProblemKind.Unavailable, "What the server holds for this token is just being extended. " +
                    "Run the command again.");
            default:
                throw new CacheProblemException(ProblemKind.BadRequest,
                    $"The NAR of {row.Info.StorePath} is not here any more: sending it took too long, or an admin has taken it back. Run " +
                    "the command again.");
        }
    }

    private static NarInfo InfoOf(AtticPath path, AtticNar? nar) => new()
    {
        StorePath = path.Path,
        Url = nar is null ? "" : $"nar/{nar.Name}",
        Compression = nar?.Name.Compression ?? "",
        FileHash = nar?.Name.FileHash,
        FileSize = nar?.Size,
        NarHash = path.NarHash,
        NarSize = path.NarSize,
        References = path.References,
        Deriver = path.Deriver,
        Ca = path.Ca,
        // Others are dropped when it is signed.
        Signatures = [.. path.Signatures.Where(s => PathSignature.TryParse(s, out _))],
    };
}
