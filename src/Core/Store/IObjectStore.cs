using OrleansCache.Contracts;

namespace OrleansCache.Core.Store;

/// <summary>
/// A bucket, or a directory that acts as one. Implementations retry transient failures (503, 429, timeouts, resets) inside a call, with
/// backoff and jitter, and throw <see cref="ObjectStoreException"/> when the store cannot be reached or refuses.
/// </summary>
public interface IObjectStore
{
    /// <summary>Size and ETag of an object; null when there is none.</summary>
    Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken);

    /// <summary>
    /// The object's bytes, or a range of them (of length zero when the object has no such bytes); null when there is no object. The caller
    /// disposes of it.
    /// </summary>
    Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken);

    /// <summary>All objects whose key begins with <paramref name="prefix"/> (may be empty), in key order.</summary>
    IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>
    /// Writes a well-known key so that the write cannot take effect after <paramref name="fence"/> (a time of the database's clock):
    /// presigned to expire then. Retries only until the fence.
    /// </summary>
    /// <returns>See <see cref="FencedOutcome"/>.</returns>
    /// <exception cref="ObjectStoreException">The store refused for a reason that no retry mends (wrong keys, no such bucket, no space),
    /// other than the fence, and every attempt was answered: nothing was done.</exception>
    Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken);

    /// <summary>
    /// Prepares writes of many well-known keys: it does all work that no reader can see (a directory store has written and synced all
    /// bodies, together). <see cref="IStagedWrites.PutAsync"/> then makes each write, in the caller's order.
    /// </summary>
    /// <exception cref="ObjectStoreException">As for <see cref="PutAsync"/>; nothing was done.</exception>
    Task<IStagedWrites> StageAsync(IReadOnlyList<ObjectWrite> writes, CancellationToken cancellationToken) =>
        Task.FromResult<IStagedWrites>(new UnstagedWrites(this, writes));

    /// <summary>
    /// Deletes keys under the same fence, up to 1,000 in one request where the store supports it. A missing key counts as deleted. One
    /// outcome per key, in order; a refusal is an outcome.
    /// </summary>
    Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken);

    /// <summary>
    /// Makes written objects durable where a write alone does not (a directory store syncs each directory once). Call it before rows say
    /// that they are there.
    /// </summary>
    Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken);

    /// <summary>Writes a minted key that has no object yet. A repetition with the same bytes after a lost answer succeeds.</summary>
    Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken);

    /// <summary>Writes one part of an open multipart upload, as an upload through its URL does.</summary>
    /// <param name="key">The key that the upload is for.</param>
    /// <param name="uploadId">From <see cref="BeginMultipartAsync"/>.</param>
    /// <param name="partSize">The one it was begun with.</param>
    /// <param name="number">From 1.</param>
    /// <param name="body">Of the part size, but for the last part.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken);

    /// <summary>
    /// A URL for one PUT of the whole object, valid for <paramref name="life"/>. It carries <c>If-None-Match: *</c> where the store knows
    /// it.
    /// </summary>
    SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life);

    /// <summary>
    /// Whether the URL of <see cref="SignPut"/> takes effect only once. Where it does not, its client could replace an object that others
    /// rely on: use parts, whose upload ends.
    /// </summary>
    bool PutsOnce => true;

    /// <summary>
    /// A URL for GETs of an object, whole or in ranges, that begin within <paramref name="life"/>; null where readers are to get the bytes
    /// from this process.
    /// </summary>
    Uri? SignGet(ObjectKey key, TimeSpan life) => null;

    /// <summary>
    /// The URL at which the store itself gives an object to anybody who asks; null: it does not, or does not answer.
    /// </summary>
    Task<Uri?> FindPublicUrlAsync(ObjectKey key, CancellationToken cancellationToken) => Task.FromResult<Uri?>(null);

    /// <summary>Opens a multipart upload and returns its id.</summary>
    Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken);

    /// <summary>URLs for parts <paramref name="first"/> … of an open multipart upload.</summary>
    IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life);

    /// <summary>The <c>size</c> for <see cref="CompleteMultipartAsync"/> that means the sum of the parts.</summary>
    const long SizeOfParts = -1;

    /// <summary>
    /// Joins the parts into an object of <paramref name="size"/> bytes (or <see cref="SizeOfParts"/>); completing again after a lost answer
    /// succeeds. Part i+1 must have the MD5
    /// <paramref name="partMd5"/>[i] (lower-case hex); a local store does not look at that, as what it holds is hashed whole afterwards.
    /// False when there is no such upload any more or the parts do not match, and no finished object either.
    /// </summary>
    Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken);

    /// <summary>Discards an open multipart upload and its parts; nothing when it is gone.</summary>
    Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken);

    /// <summary>
    /// Makes a copy of an object of another store of the same kind under a minted key, without its bytes passing through this process. An
    /// object that is there already is never replaced.
    /// </summary>
    /// <param name="from">The other store.</param>
    /// <param name="source">The key of the object there.</param>
    /// <param name="size">The size that it must have, in bytes.</param>
    /// <param name="key">Minted, in this store.</param>
    /// <param name="uploadId">The multipart upload that was begun for <paramref name="key"/>, and that the copy ends; null in a local
    /// store, which has no need of one.</param>
    /// <param name="cancellationToken">Stops it; no object appears.</param>
    Task<CopyOutcome> CopyAsync(IObjectStore from, ObjectKey source, long size, ObjectKey key, string? uploadId,
        CancellationToken cancellationToken) => throw new NotSupportedException("This store does not copy objects of others.");

    /// <summary>All open multipart uploads.</summary>
    IAsyncEnumerable<OpenMultipart> ListMultipartAsync(CancellationToken cancellationToken);

    /// <summary>The reason why writes fail although reads do not, in a sentence for everybody; null when none is known.</summary>
    string? FindWriteTrouble() => null;

    /// <summary>Whether a deleted object stays as an old version and takes space. False also where the store does not tell.</summary>
    bool KeepsOldVersions => false;

    /// <summary>True when upload URLs point to the gateway, which can then check hashes by reading the upload cheaply.</summary>
    bool IsLocal { get; }
}

/// <summary>The end of a copy.</summary>
public enum CopyOutcome
{
    /// <summary>The copy is there, whole; now or by an earlier attempt.</summary>
    Done,

    /// <summary>There is no source.</summary>
    Absent,

    /// <summary>The source, or what is under the key already, is another object than was meant.</summary>
    Changed,

    /// <summary>The upload that the copy was to end has ended otherwise.</summary>
    Ended,
}

/// <summary>Prepared writes. Disposing gives up those that were not made.</summary>
public interface IStagedWrites : IAsyncDisposable
{
    /// <summary>Makes the write with this index, once; otherwise as <see cref="IObjectStore.PutAsync"/>.</summary>
    Task<FencedOutcome> PutAsync(int index, DateTimeOffset fence, CancellationToken cancellationToken);
}

/// <summary>A body for a well-known key.</summary>
public sealed record ObjectWrite(ObjectKey Key, ReadOnlyMemory<byte> Body, ObjectHeaders Headers);

/// <param name="ETag">Without quotes; the MD5 of the body for a single PUT and <c>md5(md5s)-N</c> for a multipart upload, null where the
/// store gives no such vouching.</param>
public sealed record ObjectInfo(ObjectKey Key, long Size, string? ETag, DateTimeOffset LastModified);

public sealed record OpenMultipart(ObjectKey Key, string UploadId, DateTimeOffset Initiated);

/// <param name="Headers">Headers the client must send as they are.</param>
public sealed record SignedUrl(Uri Url, IReadOnlyDictionary<string, string> Headers, DateTimeOffset Expires);

/// <summary>Stored with the object and served with it.</summary>
public sealed record ObjectHeaders(string ContentType, string CacheControl, string? ContentEncoding = null);

/// <summary>
/// Bytes <paramref name="First"/> to <paramref name="Last"/> inclusive; or the last <c>-First</c> bytes when First is negative.
/// </summary>
public readonly record struct ByteRange(long First, long? Last)
{
    /// <summary>What it covers of an object of <paramref name="size"/> bytes; a length of zero when that is nothing.</summary>
    public (long Offset, long Length) Within(long size)
    {
        if (First < 0)
            return First <= -size ? (0, size) : (size + First, -First);
        var end = Last is { } last && last < size ? last + 1 : size;
        return First < end ? (First, end - First) : (size, 0);
    }
}

/// <summary>An open object: its whole size, the range that <see cref="Stream"/> holds, and its headers.</summary>
public sealed class ObjectBody(Stream stream, long offset, long length, ObjectInfo info, ObjectHeaders? headers) : IAsyncDisposable
{
    public Stream Stream { get; } = stream;

    public long Offset { get; } = offset;

    public long Length { get; } = length;

    public ObjectInfo Info { get; } = info;

    /// <summary>Null where the store keeps none (a directory): the gateway derives them from the key.</summary>
    public ObjectHeaders? Headers { get; } = headers;

    public ValueTask DisposeAsync() => Stream.DisposeAsync();
}

/// <summary>The end of a fenced write. Equality ignores the store's words.</summary>
public readonly record struct FencedOutcome
{
    /// <summary>Some attempt got no answer: it may take effect until the fence.</summary>
    public static readonly FencedOutcome Unknown;

    /// <summary>Every attempt was answered and the last one succeeded.</summary>
    public static readonly FencedOutcome Done = new(1);

    /// <summary>Every attempt was answered and none had an effect (expired, refused).</summary>
    public static readonly FencedOutcome Refused = new(2);

    private readonly byte _kind;

    private FencedOutcome(byte kind) => _kind = kind;

    /// <summary>What the store said last, when that was no success.</summary>
    public StoreAnswer? Answer { get; private init; }

    public FencedOutcome Because(StoreAnswer? answer) => this with { Answer = answer };

    public bool Equals(FencedOutcome other) => _kind == other._kind;

    public override int GetHashCode() => _kind;

    public override string ToString() => (_kind switch { 1 => "Done", 2 => "Refused", _ => "Unknown" })
        + (Answer is null ? "" : $" ({Answer.Code})");
}

/// <summary>
/// The store could not be reached, or refused in a way that no retry mends. The message names the operation, the key and the store's own
/// words.
/// </summary>
public sealed class ObjectStoreException(string message, bool isTransient, Exception? inner = null) : Exception(message, inner)
{
    /// <param name="what">The operation and the key.</param>
    /// <param name="answer">What the store said, for the last time.</param>
    /// <param name="inner">Its own words.</param>
    public ObjectStoreException(string what, StoreAnswer answer, Exception? inner = null)
        : this(answer == StoreAnswer.None || answer == StoreAnswer.Late ? $"{what}: {answer.Sentence}"
            : $"The object store answers {what} with {answer.Code}. {answer.Sentence}", !answer.IsRefusal, inner) => Answer = answer;

    public bool IsTransient { get; } = isTransient;

    /// <summary>
    /// The store's answer and its advice, which clients may see; null where the store gives no answers, or was not asked.
    /// </summary>
    public StoreAnswer? Answer { get; }

    /// <summary>The text for clients: it hides paths of this machine's files.</summary>
    public string Told => Answer is not null ? Message : IsTransient ? StoreAnswer.None.Sentence
        : "The object store cannot be used; the server's log says why.";
}
