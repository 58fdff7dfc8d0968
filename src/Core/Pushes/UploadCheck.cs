using System.Buffers;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// Checks reported uploads against the store before a row says that they are there: existence and size always, the MD5 of each body against
/// the ETag where the store vouches for it, and the SHA-256 of file and NAR where the bytes passed through a gateway.
/// </summary>
internal sealed class UploadCheck(IObjectStore store, PushOptions options)
{
    public const string SizeMismatch = "size-mismatch";
    public const string HashMismatch = "hash-mismatch";

    // From this many keys with one prefix on, a listing is cheaper than a request for each.
    private const int ListingFrom = 4;
    private const int AtOnce = 16;
    private const int ReadSize = 1 << 18;

    // From this size on, the file is read a second time for its hash: hashing it in the same pass would delay the NAR.
    private const long ReadTwiceFrom = 16 << 20;

    /// <summary>The server reads the bytes, so an accepted upload is the declared NAR.</summary>
    public bool Reads => Hashes(store, options);

    /// <summary>Whether every upload to this store is read and hashed when it is reported.</summary>
    public static bool Hashes(IObjectStore store, PushOptions options) => store.IsLocal && options.VerifyLocalUploads;

    /// <summary>For each upload the reason why it is refused, or null, the hash of its file, and what was seen if it was read.</summary>
    public async Task<(RejectedUpload? Rejected, Sha256Hash? FileHash, NarFindings? Findings)[]> CheckAsync(
        IReadOnlyList<(UploadGrantId GrantId, UploadedNar Report)> uploads, CancellationToken cancellationToken)
    {
        var isRead = Reads;
        if (!isRead && uploads.FirstOrDefault(u => u.Report.FileHash is null).Report is { } unnamed)
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"The report of {unnamed.Upload} lacks fileHash: nobody here reads what is uploaded, so its narinfo says what the client has computed.");

        // 1. Multipart uploads are joined; joining one again succeeds.
        var rejected = new RejectedUpload?[uploads.Count];
        var fileHashes = uploads.Select(u => u.Report.FileHash).ToArray();
        var findings = new NarFindings?[uploads.Count];
        await ForEachAsync(uploads, AtOnce, async (i, stop) =>
        {
            var (grantId, report) = uploads[i];
            if (grantId.Multipart is not null && !await store.CompleteMultipartAsync(grantId.Key, grantId.Multipart, report.FileSize,
                report.Md5, stop))
                rejected[i] = Reject(report, "not-found",
                    "The parts do not make up the upload: one is missing, or is not what was reported.");
        }, cancellationToken);

        // 2. The store's objects: one listing per shared prefix, or one request per key. An object that is read anyway needs neither.
        var found = new Dictionary<ObjectKey, ObjectInfo>();
        foreach (var group in uploads.Where((_, i) => rejected[i] is null && !isRead).GroupBy(u => MintedKeys.SharedPrefix(u.GrantId.Key)))
        {
            var keys = group.Select(u => u.GrantId.Key).ToHashSet();
            if (keys.Count >= ListingFrom && !store.IsLocal)
            {
                await foreach (var info in store.ListAsync(group.Key, cancellationToken))
                    found[info.Key] = info;
                continue;
            }

            foreach (var key in keys)
            {
                if (await store.HeadAsync(key, cancellationToken) is { } info)
                    found[key] = info;
            }
        }

        // 3. Size and hashes.
        await ForEachAsync(uploads, store.IsLocal ? Environment.ProcessorCount : AtOnce, async (i, stop) =>
        {
            var (grantId, report) = uploads[i];
            if (rejected[i] is not null)
                return;
            if (!isRead)
            {
                rejected[i] = found.TryGetValue(grantId.Key, out var info) ? Compare(grantId, report, info)
                    : Reject(report, "not-found", "No such object in the store: the upload has not arrived.");
                return;
            }

            (rejected[i], var fileHash, findings[i]) = await RehashAsync(report.Upload, grantId, info => Compare(grantId, report, info),
                stop);
            if (rejected[i] is null && report.FileHash is { } reported && fileHash != reported)
                rejected[i] = Reject(report, HashMismatch, $"The file's SHA-256 is {fileHash}, {reported} was reported.");
            fileHashes[i] = fileHash;
        }, cancellationToken);

        await store.SyncAsync([.. uploads.Where((_, i) => rejected[i] is null).Select(u => u.GrantId.Key)], cancellationToken);
        return [.. rejected.Zip(fileHashes, findings)];
    }

    /// <summary>
    /// Joins and checks a multipart upload of a client that tells its parts' MD5s only. The store says its size, and where the server reads
    /// it, the server computes its hash.
    /// </summary>
    public async Task<(RejectedUpload? Rejected, CheckedUpload? Checked)> JoinAsync(string id, UploadGrantId grantId,
        IReadOnlyList<string> md5,
        CancellationToken cancellationToken)
    {
        if (!await store.CompleteMultipartAsync(grantId.Key, grantId.Multipart!, IObjectStore.SizeOfParts, md5, cancellationToken))
            return (Reject(id, "not-found",
                "The parts do not make up the upload: one is missing, or is not what was reported; or the upload has ended."), null);
        if (await store.HeadAsync(grantId.Key, cancellationToken) is not { } info)
            return (Reject(id, "not-found", "No such object in the store: the upload has not arrived."), null);
        if (info.ETag is { } etag && MultipartETag(md5) is var expected
            && !string.Equals(expected, etag, StringComparison.OrdinalIgnoreCase))
            return (Reject(id, HashMismatch,
                $"The store has other bytes under {grantId.Key} than were reported (ETag {etag}, expected {expected})."), null);
        var (fileHash, findings) = ((Sha256Hash?)null, (NarFindings?)null);
        if (Reads)
        {
            (var rejected, fileHash, findings) = await RehashAsync(id, grantId, _ => null, cancellationToken);
            if (rejected is not null)
                return (rejected, null);
        }

        await store.SyncAsync([grantId.Key], cancellationToken);
        return (null, new CheckedUpload(grantId, fileHash, info.Size, findings));
    }

    /// <summary>
    /// Checks a file that the gateway has received, and stores it. No client has a URL of its key, so what was checked is what stays.
    /// </summary>
    public async Task<(RejectedUpload? Rejected, CheckedUpload? Checked)> StoreAsync(string id, UploadGrantId grantId,
        ReadOnlyMemory<byte> file, CancellationToken cancellationToken)
    {
        if (file.Length > UploadGrants.MaxFile(grantId.NarSize))
            return (Reject(id, SizeMismatch,
                $"The file has {file.Length} bytes, which is more than a NAR of {grantId.NarSize} can have."), null);
        await using var stream = MemoryBody.AsStream(file);
        var (rejected, findings) = await CheckNarAsync(id, grantId, stream, cancellationToken);
        if (rejected is not null)
            return (rejected, null);
        await store.PutNewAsync(grantId.Key, file, cancellationToken);
        await store.SyncAsync([grantId.Key], cancellationToken);
        return (null, new CheckedUpload(grantId, Sha256Hash.Compute(file.Span), file.Length, findings));
    }

    private static RejectedUpload? Compare(UploadGrantId grantId, UploadedNar report, ObjectInfo info)
    {
        if (info.Size != report.FileSize)
            return Reject(report, SizeMismatch, $"The store has {info.Size} bytes under {grantId.Key}, {report.FileSize} were reported.");
        if (info.ETag is null)
            return null;
        var expected = grantId.Multipart is null ? (report.Md5.Count == 1 ? report.Md5[0] : "") : MultipartETag(report.Md5);
        return string.Equals(expected, info.ETag, StringComparison.OrdinalIgnoreCase)
            ? null
            : Reject(report, HashMismatch,
                $"The store has other bytes under {grantId.Key} than were reported (ETag {info.ETag}, expected {expected}).");
    }

    /// <summary>For an upload that has arrived: why it is not the declared NAR, or the hash of its file and what was seen in it.</summary>
    /// <param name="judge">Asked first: why the object cannot be that NAR.</param>
    private async Task<(RejectedUpload? Rejected, Sha256Hash? FileHash, NarFindings? Findings)> RehashAsync(string id,
        UploadGrantId grantId, Func<ObjectInfo, RejectedUpload?> judge, CancellationToken cancellationToken)
    {
        await using var body = await store.GetAsync(grantId.Key, null, cancellationToken);
        if (body is null)
            return (Reject(id, "not-found", "No such object in the store: the upload has not arrived."), null, null);
        if (judge(body.Info) is { } rejected)
            return (rejected, null, null);
        if (body.Info.Size < ReadTwiceFrom)
        {
            await using var file = new HashingReadStream(body.Stream);
            var (wrong, seen) = await CheckNarAsync(id, grantId, file, cancellationToken);
            return wrong is not null ? (wrong, null, null) : (null, file.Finish(), seen);
        }

        var fileHash = Task.Run(() => HashFileAsync(grantId.Key, cancellationToken), cancellationToken);
        var (refused, findings) = await CheckNarAsync(id, grantId, body.Stream, cancellationToken);
        return await fileHash is { } hash && refused is null ? (null, hash, findings)
            : (refused ?? Reject(id, "not-found", "The object has just gone."), null, null);
    }

    private async Task<Sha256Hash?> HashFileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        await using var body = await store.GetAsync(key, null, cancellationToken);
        if (body is null)
            return null;
        await using var file = new HashingReadStream(body.Stream);
        await file.CopyToAsync(Stream.Null, ReadSize, cancellationToken);
        return file.Finish();
    }

    /// <summary>Why the decompressed stream is not the declared NAR, or what was seen in it.</summary>
    private async Task<(RejectedUpload? Rejected, NarFindings? Findings)> CheckNarAsync(string id, UploadGrantId grantId,
        Stream file, CancellationToken cancellationToken)
    {
        await using var opened = await NarDecompression.OpenAsync("zstd", file, cancellationToken)
            ?? throw new InvalidOperationException("zstd is not known");
        // References are declared of paths, and an upload is a NAR: what stands alone in it is noted, and a commit that needs more asks.
        using var examination = options.NotesReferences ? new NarExamination([], [], maxListing: 0) : null;
        using var hash = options.NotesReferences ? null : IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long count;
        try
        {
            count = await opened.ShowAsync(examination is null ? hash!.AppendData : examination.Append, grantId.NarSize, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            return (Reject(id, HashMismatch, $"The upload is not a zstd-compressed NAR: {e.Message}"), null);
        }

        if (count != grantId.NarSize)
            return (Reject(id, SizeMismatch,
                $"The NAR has {(count > grantId.NarSize ? "more than" : "only")} {Math.Min(count, grantId.NarSize)} bytes, " +
                    $"{grantId.NarSize} were declared."), null);
        var findings = examination?.Finish();
        var narHash = findings?.NarHash ?? Sha256Hash.FromBytes(hash!.GetHashAndReset());
        if (narHash != grantId.NarHash)
            return (Reject(id, HashMismatch, $"The NAR's hash is {narHash}, {grantId.NarHash} was declared."), null);
        return (null, findings);
    }

    private static string MultipartETag(IReadOnlyList<string> md5)
    {
        var joined = new byte[md5.Count * MD5.HashSizeInBytes];
        for (var i = 0; i < md5.Count; i++)
        {
            if (md5[i] is not { Length: MD5.HashSizeInBytes * 2 } || Convert.FromHexString(md5[i], joined.AsSpan(i * MD5.HashSizeInBytes),
                out _, out _) != OperationStatus.Done)
                return "";
        }

        return $"{Convert.ToHexStringLower(MD5.HashData(joined))}-{md5.Count}";
    }

    private static RejectedUpload Reject(UploadedNar report, string reason, string detail) => Reject(report.Upload, reason, detail);

    private static RejectedUpload Reject(string id, string reason, string detail) =>
        new() { Upload = id, Reason = reason, Detail = detail };

    private static Task ForEachAsync<T>(IReadOnlyList<T> items, int atOnce, Func<int, CancellationToken, Task> action,
        CancellationToken cancellationToken) =>
        Parallel.ForAsync(0, items.Count, new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellationToken },
            async (i, stop) => await action(i, stop));
}
