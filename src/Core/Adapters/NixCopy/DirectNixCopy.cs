using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Core.Verify;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>The contract in process: any number of these on one catalog are right together.</summary>
internal sealed class DirectNixCopy(
    CacheDirectory caches, NixCopyCatalog catalog, NarReceiver receiver, Publisher publisher, PathSigner signer, TimeProvider time,
    RefusedDeletions refused, Verifier verifier, PushOptions options, CancellationToken stopping) : INixCopy
{
    private const int MaxNamed = 20;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    public async Task<bool> PromisePathAsync(CacheName cache, Caller caller, StorePathHash path, CancellationToken cancellationToken) =>
        (await catalog.PromiseAsync(caches.IdOf(cache), caller, path, null, cancellationToken)).Present;

    public async Task<NarFile?> PromiseNarAsync(CacheName cache, Caller caller, NarFileName name, CancellationToken cancellationToken) =>
        (await catalog.PromiseAsync(caches.IdOf(cache), caller, null, name, cancellationToken)).Nar;

    public async Task ReceiveNarAsync(CacheName cache, Caller caller, NarFileName name, Stream body, long length,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        // The name has the file's hash, so a file that is there already is the right one. A client that sends it again after a lost answer
        // need not upload it, and an old Nix sends nothing.
        if (!(await catalog.PromiseAsync(id, caller, null, name, cancellationToken)).Present)
            await receiver.ReceiveAsync(id, caller, name, body, length, cancellationToken);
    }

    public Task<NarInfoOutcome> PublishAsync(CacheName cache, Caller caller, NarInfo info, TimeSpan patience,
        CancellationToken cancellationToken) => PublishAsync(caches.IdOf(cache), caller, info, patience, cancellationToken);

    /// <summary>What a narinfo declares of its path.</summary>
    internal static PathDeclaration DeclarationOf(NarInfo info) => new()
    {
        Path = info.StorePath,
        NarHash = info.NarHash,
        NarSize = info.NarSize,
        References = [.. info.References.Select(r => r.Hash)],
        Deriver = info.Deriver,
        Ca = info.Ca,
        Signatures = info.Signatures,
    };

    internal async Task<NarInfoOutcome> PublishAsync(int id, Caller caller, NarInfo info, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        ReferenceLimit.Check([(info.StorePath, info.References.Count)], options);
        var file = FileOf(info);
        var declared = DeclarationOf(info);
        if (!DeclaredAddress.IsTrue(declared, info.References))
            throw DeclaredAddress.Refusal([declared]);
        var signatures = (await signer.SignAsync([(declared, info.References)], cancellationToken))[0];
        var digest = PathDigest.Of(declared);
        var put = await UntilNotBusyAsync(PutAsync,
            p => p.Outcome is PutOutcome.Busy or PutOutcome.Due or PutOutcome.Renamed or PutOutcome.Unread, patience, cancellationToken);
        Quotas.Check(put.QuotaText, caller);
        return put.Outcome switch
        {
            PutOutcome.Publishing => await PublishedAsync(id, put.Push!.Value, info.StorePath, patience, cancellationToken)
                == FinishOutcome.Overtaken ? NarInfoOutcome.Conflict : NarInfoOutcome.Published,
            PutOutcome.Conflict => NarInfoOutcome.Conflict,
            PutOutcome.Present => await PresentAsync(),
            PutOutcome.References => throw Missing(info, put.Paths),
            PutOutcome.Nar => throw new CacheProblemException(ProblemKind.BadRequest, put.NarHash is { } found
                ? $"{info.Url} was put, and holds a NAR of the hash {found} and {put.NarSize} bytes; the narinfo of {info.StorePath} " +
                    $"says {info.NarHash} and {info.NarSize} bytes (and of the file {info.FileSize} bytes). Nothing was published."
                : $"The NAR of {info.StorePath} is not here under {info.Url}: it was never put, or so long ago that it has been " +
                    "deleted. Run the command again, with --refresh."),
            PutOutcome.Withdrawn => throw DirectPushes.Withdrawn([info.StorePath.Hash]),
            PutOutcome.Name => throw new CacheProblemException(ProblemKind.BadRequest,
                $"Another path has the hash of {info.StorePath}, or of one that it refers to, under another name."),
            PutOutcome.Busy or PutOutcome.Due or PutOutcome.Renamed => throw new CacheProblemException(ProblemKind.Unavailable,
                $"{info.StorePath}, or one of its references, is being published or deleted by somebody else for long. " +
                $"{WhyNotDeleted()}Run the command again."),
            PutOutcome.Unread => throw new CacheProblemException(ProblemKind.Unavailable,
                $"The NAR of {info.StorePath} waits to be read before it is signed. Run the command again."),
            PutOutcome.Untrue => throw new CacheProblemException(ProblemKind.Untrue,
                $"The narinfo of {info.StorePath} says of its references or its content address what its NAR does not have. Nothing was " +
                "published.", [info.StorePath.Hash]),
            PutOutcome.Quota => throw new UnreachableException("a quota is used up, and its text does not say so"),
        };

        async Task<NarInfoOutcome> PresentAsync()
        {
            if (signer.Added(declared, info.References, put.Signatures, put.IsOwn) is { Length: > 0 } added)
            {
                await publisher.AddSignaturesAsync(id, [(put.Path, added)], cancellationToken);
                await publisher.RefreshAsync(id, cancellationToken);
            }

            return NarInfoOutcome.Present;
        }

        async Task<NarInfoPut> PutAsync()
        {
            var answer = await catalog.PutAsync(id, caller, info, file, signatures, digest, cancellationToken);
            if (answer.Outcome == PutOutcome.Unread)
                verifier.Wake();
            if (answer.Outcome == PutOutcome.Due)
                await catalog.PromiseAsync(id, caller, null, null, cancellationToken);
            else if (answer.Outcome == PutOutcome.Renamed)
                await publisher.RefreshAsync(id, cancellationToken);
            else
                return answer;
            return await catalog.PutAsync(id, caller, info, file, signatures, digest, cancellationToken);
        }
    }

    public async Task KeepAsync(CacheName cache, Caller caller, NixExtra extra, TimeSpan patience, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var (outcome, push) = await UntilNotBusyAsync(() => catalog.AttachAsync(id, caller, extra, cancellationToken),
            a => a.Outcome == AttachOutcome.Busy, patience, cancellationToken);
        if (outcome == AttachOutcome.Busy)
            throw new CacheProblemException(ProblemKind.Unavailable,
                $"{extra.Key} is just being deleted. {WhyNotDeleted()}Run the command again.");
        if (push is { } publishing && outcome == AttachOutcome.Publishing)
            await PublishedAsync(id, publishing, null, patience, cancellationToken);
    }

    public Task<byte[]?> FindWaitingAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken) =>
        catalog.WaitingAsync(caches.IdOf(cache), caller, key, cancellationToken);

    // A URL may name a NAR by its key too: a client that adds a signature to a narinfo sends back the URL that it has read.
    private static NarFileName FileOf(NarInfo info)
    {
        if (!info.Url.StartsWith("nar/", StringComparison.Ordinal) || !NarFileName.TryParse(info.Url["nar/".Length..], out var file))
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"The URL of a NAR is 'nar/' with the SHA-256 of its file and its ending; '{info.Url}' is not.");
        if (file.Compression != info.Compression)
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"The narinfo says Compression: {info.Compression}, and its URL ends as one of {file.Compression}.");
        return file;
    }

    // Overtaken: another push was first, and its path stays.
    private async Task<FinishOutcome> PublishedAsync(int cache, PushId push, StorePath? path, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        try
        {
            // Publishing goes on without this request: the catalog owns it.
            var ended = await publisher.PublishAsync(cache, push, stopping).WaitAsync(patience, time, cancellationToken);
            return ended != FinishOutcome.Withdrawn ? ended
                : throw new CacheProblemException(ProblemKind.Withdrawn,
                    $"{path?.ToString() ?? "It"}, or something that it refers to, was taken out of this cache by an admin while it was " +
                    "published. Nothing was published.", path is { } one ? [one.Hash] : null);
        }
        catch (ObjectStoreException e) when (FullDisk.Is(e))
        {
            throw new CacheProblemException(ProblemKind.DiskFull,
                $"{path?.ToString() ?? "It"} is recorded and will be published as soon as there is room. {FullDisk.Sentence}", inner: e);
        }
        catch (Exception e) when (e is TimeoutException or ObjectStoreException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            throw new CacheProblemException(ProblemKind.Unavailable,
                $"{path?.ToString() ?? "It"} is recorded and will be published, but " +
                $"{(e is ObjectStoreException store ? $"not yet: {store.Told}" : "the store is slow to take it.")} Run the command again.",
                inner: e);
        }
    }

    private string WhyNotDeleted() => refused.Describe() is { } why ? why + " " : "";

    private async Task<T> UntilNotBusyAsync<T>(Func<Task<T>> ask, Func<T, bool> isBusy, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            var answer = await ask();
            if (!isBusy(answer) || Stopwatch.GetElapsedTime(started) >= patience)
                return answer;
            await Task.Delay(pause, time, cancellationToken);
        }
    }

    private static CacheProblemException Missing(NarInfo info, IReadOnlyList<StorePathHash> missing)
    {
        var hashes = missing.ToHashSet();
        var names = info.References.Where(r => hashes.Contains(r.Hash)).Select(r => r.ToString()).ToList();
        var listed = string.Join(", ", names.Take(MaxNamed)) + (names.Count > MaxNamed ? $" and {names.Count - MaxNamed} more" : "");
        return new CacheProblemException(ProblemKind.MissingPaths,
            $"{info.StorePath} needs {listed}, which {(names.Count == 1 ? "is" : "are")} not in this cache (any more); your Nix " +
                "remembers otherwise. Run the same command with --refresh: it then copies what is missing.", missing);
    }
}
