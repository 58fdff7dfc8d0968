using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Testing;

/// <summary>
/// A bucket in memory whose every write a test can see, hold back, lose or answer wrongly. Real stores are tested in Objects/ and end to
/// end.
/// </summary>
internal class MemoryObjectStore : IObjectStore
{
    // Keys whose ETag is that of a multipart upload, of one part.
    private readonly ConcurrentDictionary<string, bool> _joined = new();
    private readonly ConcurrentDictionary<(string Upload, int Number), byte[]> _parts = new();
    private int _multiparts;

    public ConcurrentDictionary<string, byte[]> Objects { get; } = new();

    public ConcurrentDictionary<string, string> OpenMultiparts { get; } = new();

    /// <summary>What listings say of when a multipart upload was begun.</summary>
    public DateTimeOffset MultipartsInitiated { get; set; } = DateTimeOffset.UtcNow;

    /// <summary>Called before a multipart upload is discarded.</summary>
    public Action<ObjectKey> OnAbort { get; set; } = static _ => { };

    /// <summary>Keys in the order in which writes took effect.</summary>
    public ConcurrentQueue<string> Writes { get; } = new();

    /// <summary>
    /// Called before each fenced write; the outcome it returns is answered, <see cref="FencedOutcome.Done"/> meaning that the write takes
    /// effect as usual.
    /// </summary>
    public Func<string, ObjectKey, Task<Answer>> OnWrite { get; set; } = static (_, _) => Task.FromResult(Answer.Normal);

    /// <summary>How each fenced write is refused that the store understands; null: it is not.</summary>
    public Func<string, ObjectKey, StoreAnswer?> Refusal { get; set; } = static (_, _) => null;

    /// <summary>Called before writes are prepared.</summary>
    public Func<IReadOnlyList<ObjectWrite>, Task> OnStage { get; set; } = static _ => Task.CompletedTask;

    /// <summary>Called before each look at an object.</summary>
    public Func<ObjectKey, Task> OnRead { get; set; } = static _ => Task.CompletedTask;

    /// <summary>Called when a listing has been made, before anybody sees it.</summary>
    public Func<Task> OnListed { get; set; } = static () => Task.CompletedTask;

    public bool IsLocal => false;

    public bool KeepsOldVersions { get; set; }

    public IEnumerable<string> NarInfos => Objects.Keys.Where(k => k.EndsWith(".narinfo", StringComparison.Ordinal));

    /// <summary>What a client does with an upload URL.</summary>
    public void Upload(Uri url, byte[] body) => Objects.TryAdd(Uri.UnescapeDataString(url.AbsolutePath.TrimStart('/')), body);

    public async Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        await OnRead(key);
        return Objects.TryGetValue(key.ToString(), out var body) ? Info(key, body) : null;
    }

    public async Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
    {
        await OnRead(key);
        return Objects.TryGetValue(key.ToString(), out var body) ? new ObjectBody(new MemoryStream(body), 0, body.Length,
            Info(key, body), null) : null;
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var listed = Objects.Where(o => o.Key.StartsWith(prefix, StringComparison.Ordinal))
            .OrderBy(o => o.Key, StringComparer.Ordinal).ToList();
        await OnListed();
        foreach (var (key, body) in listed)
            yield return Info(ObjectKey.Parse(key), body);
    }

    public async Task<IStagedWrites> StageAsync(IReadOnlyList<ObjectWrite> writes, CancellationToken cancellationToken)
    {
        await OnStage(writes);
        return new UnstagedWrites(this, writes);
    }

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        if (Refusal("put", key) is { } refusal)
            throw new ObjectStoreException($"PUT {key}", refusal);
        var answer = await OnWrite("put", key);
        if (answer is Answer.Normal or Answer.Lost)
        {
            Objects[key.ToString()] = body.ToArray();
            Writes.Enqueue(key.ToString());
        }

        return Outcome(answer);
    }

    public async Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var outcomes = new List<FencedOutcome>();
        foreach (var key in keys)
        {
            if (Refusal("delete", key) is { } refusal)
            {
                outcomes.Add(FencedOutcome.Refused.Because(refusal));
                continue;
            }

            var answer = await OnWrite("delete", key);
            if (answer is Answer.Normal or Answer.Lost)
                Objects.TryRemove(key.ToString(), out _);
            outcomes.Add(Outcome(answer));
        }

        return outcomes;
    }

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        if (await OnWrite("put", key) is Answer.Refused or Answer.Dropped)
            throw new ObjectStoreException($"PUT {key}: the store does not answer", isTransient: true);
        Objects.TryAdd(key.ToString(), body.ToArray());
        Writes.Enqueue(key.ToString());
    }

    public Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken)
    {
        _parts[(uploadId, number)] = body.ToArray();
        return Task.CompletedTask;
    }

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life) =>
        new(new Uri($"http://bucket/{key}"), new Dictionary<string, string>(), DateTimeOffset.UtcNow + life);

    public Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken)
    {
        var id = $"multipart-{Interlocked.Increment(ref _multiparts)}";
        OpenMultiparts[id] = key.ToString();
        return Task.FromResult(id);
    }

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life) =>
        [.. Enumerable.Range(first, count).Select(n => new Uri($"http://bucket/{key}?upload={uploadId}&part={n}"))];

    // A test uploads the whole body under the key before it reports; completing is then forgetting the upload.
    public Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken)
    {
        OpenMultiparts.TryRemove(uploadId, out _);
        if (_parts.ContainsKey((uploadId, 1)))
            Objects.TryAdd(key.ToString(), [.. Enumerable.Range(1, partMd5.Count).SelectMany(n => _parts[(uploadId, n)])]);
        _joined[key.ToString()] = true;
        return Task.FromResult(Objects.ContainsKey(key.ToString()));
    }

    public Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken)
    {
        OnAbort(key);
        OpenMultiparts.TryRemove(uploadId, out _);
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<OpenMultipart> ListMultipartAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var (id, key) in OpenMultiparts)
            yield return new OpenMultipart(ObjectKey.Parse(key), id, MultipartsInitiated);
    }

    /// <summary>Called before each copy into this store, with the source's key.</summary>
    public Func<ObjectKey, Task> OnCopy { get; set; } = static _ => Task.CompletedTask;

    /// <summary>Keys that were copied from another store, in order.</summary>
    public ConcurrentQueue<string> Copies { get; } = new();

    public async Task<CopyOutcome> CopyAsync(IObjectStore from, ObjectKey source, long size, ObjectKey key, string? uploadId,
        CancellationToken cancellationToken)
    {
        await OnCopy(source).WaitAsync(cancellationToken);
        if (!((MemoryObjectStore)from).Objects.TryGetValue(source.ToString(), out var body))
            return CopyOutcome.Absent;
        if (body.Length != size)
            return CopyOutcome.Changed;
        if (uploadId is null || !OpenMultiparts.TryRemove(uploadId, out _))
            return Objects.ContainsKey(key.ToString()) ? CopyOutcome.Done : CopyOutcome.Ended;
        Objects[key.ToString()] = body;
        Copies.Enqueue(key.ToString());
        return CopyOutcome.Done;
    }

    private static FencedOutcome Outcome(Answer answer) => answer switch
    {
        Answer.Normal => FencedOutcome.Done,
        Answer.Refused => FencedOutcome.Refused,
        _ => FencedOutcome.Unknown,
    };

    private ObjectInfo Info(ObjectKey key, byte[] body) => new(
        key, body.Length,
        _joined.ContainsKey(key.ToString()) ? Convert.ToHexStringLower(MD5.HashData(MD5.HashData(body))) + "-1"
            : Convert.ToHexStringLower(MD5.HashData(body)),
        DateTimeOffset.UtcNow);

    internal enum Answer
    {
        Normal,

        /// <summary>Nothing is done, and the store says so.</summary>
        Refused,

        /// <summary>The write takes effect; the answer is lost.</summary>
        Lost,

        /// <summary>Nothing is done, and nobody knows.</summary>
        Dropped,
    }
}
