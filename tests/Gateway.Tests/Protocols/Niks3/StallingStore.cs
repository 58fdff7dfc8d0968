using System.Collections.Concurrent;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>A store that knows what was written and, while told so, answers no write of a narinfo.</summary>
internal sealed class StallingStore(IObjectStore inner) : IObjectStore
{
    public static string Suffix => ".narinfo";

    public TaskCompletionSource Stalled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool Stalls { get; set; }

    /// <summary>Each write of an object, also one that begins a multipart upload.</summary>
    public ConcurrentQueue<ObjectKey> Writes { get; init; } = new();

    public bool IsLocal => inner.IsLocal;

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        if (Stalls && key.ToString().EndsWith(Suffix, StringComparison.Ordinal))
        {
            Stalled.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        Writes.Enqueue(key);
        return await inner.PutAsync(key, body, headers, fence, cancellationToken);
    }

    public Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) => inner.HeadAsync(key, cancellationToken);

    public Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken) =>
        inner.GetAsync(key, range, cancellationToken);

    public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancellationToken) =>
        inner.ListAsync(prefix, cancellationToken);

    public Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken) =>
        inner.DeleteAsync(keys, fence, cancellationToken);

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) => inner.SyncAsync(keys, cancellationToken);

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life) => inner.SignPut(key, maxSize, life);

    public Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken)
    {
        Writes.Enqueue(key);
        return inner.BeginMultipartAsync(key, partSize, cancellationToken);
    }

    public Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        Writes.Enqueue(key);
        return inner.PutNewAsync(key, body, cancellationToken);
    }

    public Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken) =>
        inner.PutPartAsync(key, uploadId, partSize, number, body, cancellationToken);

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life) =>
        inner.SignParts(key, uploadId, partSize, first, count, life);

    public Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken) =>
        inner.CompleteMultipartAsync(key, uploadId, size, partMd5, cancellationToken);

    public Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken) =>
        inner.AbortMultipartAsync(key, uploadId, cancellationToken);

    public IAsyncEnumerable<OpenMultipart> ListMultipartAsync(CancellationToken cancellationToken) =>
        inner.ListMultipartAsync(cancellationToken);
}
