using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// A directory that acts as a bucket: files below a root, named by their keys. Safe with several processes on one root, on one machine: an
/// object appears whole (a temporary file, synced, then renamed), fences are checked under a lock, and <see cref="SyncAsync"/> makes names
/// durable. Clients upload through the gateway, which calls <see cref="TryVerify"/> and <see cref="ReceiveAsync"/>.
/// </summary>
public sealed partial class DirectoryObjectStore : IObjectStore
{
    // Waiting for a file lock would hold a thread, so a lock is tried again.
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(2);
    private static readonly Dictionary<string, string> NoHeaders = [];

    private readonly DirectoryTree _tree;
    private readonly DirectoryMultipart _multipart;
    private readonly UploadUrls _urls;
    private readonly TimeProvider _clock;

    /// <param name="options">Where it lies and how clients reach it.</param>
    /// <param name="clock">Judges fences and the life of URLs: the clock of the machine that the database runs on too.</param>
    public DirectoryObjectStore(DirectoryOptions options, TimeProvider? clock = null)
    {
        if (options.UrlSecret.Length < 32)
            throw new ArgumentException("the secret that signs upload URLs needs at least 32 bytes", nameof(options));
        _tree = new DirectoryTree(options.Root);
        _multipart = new DirectoryMultipart(_tree);
        _urls = new UploadUrls(options.PublicUrl, options.UrlSecret, options.Scope);
        _clock = clock ?? TimeProvider.System;
    }

    public string? FindWriteTrouble() => FullDisk.FindTrouble(_tree.Root);

    /// <summary>
    /// A suffix of upload URLs that adds the body's MD5 to the answer, as <c>ETag</c>. It is not signed, as it changes only the server's
    /// work.
    /// </summary>
    public const string WithETag = "&etag=md5";

    public bool IsLocal => true;

    public Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Head, key, () => Task.FromResult(Head(key)), cancellationToken);

    public Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Get, key, () => Task.FromResult(Get(key, range)), cancellationToken);

    private ObjectInfo? Head(ObjectKey key)
    {
        if (DirectoryTree.IsReserved(key))
            return null;
        var file = new FileInfo(_tree.PathOf(key));
        return file.Exists ? new ObjectInfo(key, file.Length, null, file.LastWriteTimeUtc) : null;
    }

    private ObjectBody? Get(ObjectKey key, ByteRange? range)
    {
        if (DirectoryTree.IsReserved(key) || Posix.TryOpen(_tree.PathOf(key), Posix.ReadOnly) is not { } file)
            return null;
        if (File.GetAttributes(file).HasFlag(FileAttributes.Directory))
        {
            file.Dispose();
            return null;
        }

        var info = new ObjectInfo(key, RandomAccess.GetLength(file), null, File.GetLastWriteTimeUtc(file));
        var (offset, length) = (range ?? new ByteRange(0, null)).Within(info.Size);
        return new ObjectBody(new FileRange(file, offset, length), offset, length, info, null);
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var info in List("", prefix))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return info;
        }
    }

    public Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Put, key, () => WriteAsync(key, body, fence, cancellationToken), cancellationToken);

    private async Task<FencedOutcome> WriteAsync(ObjectKey key, ReadOnlyMemory<byte> body, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var path = _tree.PathOf(key);
        if (_clock.GetUtcNow() >= fence)
            return FencedOutcome.Refused;
        var temp = _tree.NewTemp();
        try
        {
            using (var file = Posix.Open(temp, Posix.WriteOnly | Posix.Create | Posix.Exclusive))
            {
                Posix.Write(file, body.Span, 0, temp);
                await BlockingCalls.RunAsync(() => Posix.Flush(file, temp));
            }

            return await BeforeFenceAsync(key, fence, () => DirectoryTree.Replace(temp, path), cancellationToken);
        }
        finally
        {
            Posix.TryDelete(temp);
        }
    }

    public async Task<IStagedWrites> StageAsync(IReadOnlyList<ObjectWrite> writes, CancellationToken cancellationToken)
    {
        var files = new NewFiles(_tree, writes.Count);
        try
        {
            foreach (var write in writes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await files.AddAsync(write.Body);
            }

            await files.SyncAsync();
            return new StagedFiles(_tree, files, writes, BeforeFenceAsync);
        }
        catch
        {
            await files.DisposeAsync();
            throw;
        }
    }

    public Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Delete, $"{keys.Count} keys", () => RemoveAsync(keys, fence, cancellationToken), cancellationToken);

    private async Task<IReadOnlyList<FencedOutcome>> RemoveAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var outcomes = new FencedOutcome[keys.Count];
        for (var i = 0; i < keys.Count; i++)
        {
            var path = _tree.PathOf(keys[i]);
            outcomes[i] = await BeforeFenceAsync(keys[i], fence, () => Posix.TryDelete(path), cancellationToken);
        }

        return outcomes;
    }

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) =>
        keys.Count == 0 ? Task.CompletedTask : Task.WhenAll(_tree.DirectoriesOf(keys).Select(path => BlockingCalls.RunAsync(() =>
        {
            using var directory = Posix.TryOpen(path, Posix.ReadOnly);
            if (directory is not null) // Nothing was ever written there, or it was deleted.
                Posix.Flush(directory, path);
        })));

    public async Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        using var stream = MemoryBody.AsStream(body);
        // An object that is there already came from the same request, as no other claim gets this key.
        if (await ReceiveAsync(new SignedUpload(key, null, null, default), stream, body.Length, cancellationToken)
            is not (UploadStatus.Stored or UploadStatus.Exists) and var status)
            throw new ObjectStoreException($"PUT {key}: {status}", isTransient: false);
    }

    public async Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken)
    {
        using var stream = MemoryBody.AsStream(body);
        if (await _multipart.ReceiveAsync(new UploadPart(uploadId, number, partSize), stream, body.Length, cancellationToken)
            is not UploadStatus.Stored and var status)
            throw new ObjectStoreException($"PUT of part {number} of {key}: {status}", isTransient: false);
    }

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life)
    {
        _tree.PathOf(key);
        var signed = new SignedUpload(key, maxSize, null, _clock.GetUtcNow() + life);
        return new SignedUrl(_urls.Sign(signed), NoHeaders, signed.Expires);
    }

    public Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Multipart, key, () => _multipart.BeginAsync(key, partSize, _clock.GetUtcNow()), cancellationToken);

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life)
    {
        var expires = _clock.GetUtcNow() + life;
        var urls = new Uri[count];
        for (var i = 0; i < count; i++)
            urls[i] = _urls.Sign(new SignedUpload(key, null, new UploadPart(uploadId, first + i, partSize), expires));
        return urls;
    }

    public Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken) =>
        StoreCall.RunAsync(StoreCall.Multipart, key, () => _multipart.CompleteAsync(key, uploadId, size, partMd5.Count, cancellationToken),
            cancellationToken);

    public Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken) =>
        _multipart.AbortAsync(uploadId, cancellationToken);

    public async IAsyncEnumerable<OpenMultipart> ListMultipartAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var upload in _multipart.List())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return upload;
        }
    }

    /// <summary>
    /// Verifies the upload URL with this key (unescaped, after <c>/upload/</c>) and query, and returns what it allows; null when this store
    /// did not sign it or it has expired: 403.
    /// </summary>
    /// <param name="keyPath">The path after <c>/upload/</c>, unescaped once.</param>
    /// <param name="query">The value of a query parameter, unescaped; null when there is none.</param>
    /// <param name="now">The time to judge its expiry by.</param>
    public SignedUpload? TryVerify(string? keyPath, Func<string, string?> query, DateTimeOffset now) =>
        _urls.TryVerify(keyPath, query, now) is { } upload && !DirectoryTree.IsReserved(upload.Key) ? upload : null;

    /// <summary>
    /// Stores a body under a verified upload. All or nothing: an object or part is there only with <see cref="UploadStatus.Stored"/>, whole
    /// and synced. An object that exists is never replaced.
    /// </summary>
    /// <param name="upload">From <see cref="TryVerify"/>.</param>
    /// <param name="body">Read to its end, unless the answer is clear before that.</param>
    /// <param name="contentLength">Its declared length, in bytes.</param>
    /// <param name="cancellationToken">Stops the upload; nothing remains of it.</param>
    public async Task<UploadStatus> ReceiveAsync(SignedUpload upload, Stream body, long contentLength, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(contentLength);
        if (upload.Part is { } part)
            return await _multipart.ReceiveAsync(part, body, contentLength, cancellationToken);
        if (contentLength > upload.MaxSize)
            return UploadStatus.TooLarge;
        var path = _tree.PathOf(upload.Key);
        if (Posix.FileExists(path))
            return UploadStatus.Exists;
        FullDisk.RequireRoom(_tree.Root, contentLength);

        var temp = _tree.NewTemp();
        var added = false;
        try
        {
            using var file = Posix.Open(temp, Posix.WriteOnly | Posix.Create | Posix.Exclusive);
            var isWhole = await BodyCopy.RunAsync(body, contentLength, (piece, offset) =>
            {
                Posix.Write(file, piece.Span, offset, temp);
                return ValueTask.CompletedTask;
            }, cancellationToken);
            if (!isWhole)
                return UploadStatus.WrongLength;
            await BlockingCalls.RunAsync(() =>
            {
                Posix.Flush(file, temp);
                added = DirectoryTree.AddNew(temp, path);
            });
            return added ? UploadStatus.Stored : UploadStatus.Exists;
        }
        finally
        {
            if (!added)
                Posix.TryDelete(temp);
        }
    }

    /// <summary>
    /// Verifies the upload URL of a whole object exactly as it was signed; null as in <see cref="TryVerify"/>, or when it is a part's URL.
    /// </summary>
    public SignedUpload? TryVerifyWhole(string url, DateTimeOffset now) =>
        _urls.TryVerify(url, now) is { Part: null } signed && !DirectoryTree.IsReserved(signed.Key) ? signed : null;

    /// <summary>
    /// Stores many small bodies under verified tickets, each as <see cref="ReceiveAsync"/> does; one sync is for all of them.
    /// </summary>
    /// <param name="uploads">At least one, each with its length in bytes. Null tickets were refused; their bytes are read and
    /// forgotten.</param>
    /// <param name="bodies">All bodies in this order, and nothing after them.</param>
    /// <param name="cancellationToken">Stops the upload; nothing remains of it.</param>
    /// <returns>What became of each, null where the signed was; or null: the bodies were shorter or longer than declared, and nothing of
    /// the batch is there.</returns>
    public Task<UploadStatus?[]?> ReceiveBatchAsync(IReadOnlyList<(SignedUpload? Signed, int Length)> uploads, Stream bodies,
        CancellationToken cancellationToken)
    {
        FullDisk.RequireRoom(_tree.Root, uploads.Sum(upload => (long)upload.Length));
        return DirectoryBatch.ReceiveAsync(_tree, uploads, bodies, cancellationToken);
    }

    // A process that stops here, between reading the clock and the act, holds the lock. A writer of this key after the fence waits for the
    // lock, so this act comes before that write.
    private async Task<FencedOutcome> BeforeFenceAsync(ObjectKey key, DateTimeOffset fence, Action act, CancellationToken cancellationToken)
    {
        while (true)
        {
            using (var held = _tree.TryLock(key))
            {
                if (_clock.GetUtcNow() >= fence)
                    return FencedOutcome.Refused;
                if (held is not null)
                {
                    act();
                    return FencedOutcome.Done;
                }
            }

            await Task.Delay(LockPause, cancellationToken);
        }
    }

    // In key order: a directory sorts as its name with a slash, as in a bucket.
    private IEnumerable<ObjectInfo> List(string folder, string prefix)
    {
        var rest = prefix.Length > folder.Length ? prefix[folder.Length..] : "";
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var begins = slash < 0 ? rest : rest[..slash];
        var entries = new FileSystemEnumerable<(string Name, bool IsFolder)>(
            Path.Combine(_tree.Root, folder),
            (ref FileSystemEntry e) => e.IsDirectory ? (e.FileName.ToString() + "/", true) : (e.FileName.ToString(), false),
            new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false })
        {
            ShouldIncludePredicate = (ref FileSystemEntry e) => !(folder.Length == 0 && e.FileName[0] == '.')
                && (slash < 0 ? e.FileName.StartsWith(begins, StringComparison.Ordinal) : e.IsDirectory
                    && e.FileName.SequenceEqual(begins)),
        };
        List<(string Name, bool IsFolder)> names;
        try
        {
            names = [.. entries];
        }
        catch (DirectoryNotFoundException)
        {
            yield break;
        }

        names.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        foreach (var (name, isFolder) in names)
        {
            if (isFolder)
            {
                foreach (var info in List(folder + name, prefix))
                    yield return info;
            }
            else if (ObjectKey.TryParse(folder + name, out var key) && new FileInfo(_tree.PathOf(key)) is { Exists: true } file)
            {
                yield return new ObjectInfo(key, file.Length, null, file.LastWriteTimeUtc);
            }
        }
    }
}
