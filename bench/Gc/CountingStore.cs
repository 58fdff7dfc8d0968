using System.Collections.Concurrent;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Bench.Gc;

/// <summary>A bucket that does nothing at once, and counts the keys it was sent: what is left is the catalog's time.</summary>
internal sealed class CountingStore : IObjectStore
{
    public const int UploadSize = 100;
    private readonly ConcurrentDictionary<string, int> _keys = new();

    public int Keys => _keys.Count;

    public int Twice => _keys.Count(k => k.Value > 1);

    public bool IsLocal => true;

    public Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        foreach (var key in keys)
            _keys.AddOrUpdate(key.ToString(), 1, static (_, times) => times + 1);
        return Task.FromResult<IReadOnlyList<FencedOutcome>>([.. Enumerable.Repeat(FencedOutcome.Done, keys.Count)]);
    }

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Every upload has arrived, whoever reports it.</summary>
    public Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) =>
        Task.FromResult<ObjectInfo?>(new ObjectInfo(key, UploadSize, null, DateTimeOffset.UtcNow));

    public Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken) => Task.FromResult(FencedOutcome.Done);

    public Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken) => throw new NotSupportedException();

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life) =>
        new(new Uri($"http://bucket/{key}"), new Dictionary<string, string>(), DateTimeOffset.UtcNow + life);

    public Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life) =>
        throw new NotSupportedException();

    public Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<OpenMultipart> ListMultipartAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
}
