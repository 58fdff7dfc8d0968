using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>A store that, while told so, answers no write of a narinfo.</summary>
internal sealed class StallingStore(IObjectStore inner) : IObjectStore
{
    public static string Suffix => ".narinfo";

    public TaskCompletionSource Stalled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool Stalls { get; set; }

    public bool IsLocal => inner.IsLocal;

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancel)
    {
        if (Stalls && key.ToString().EndsWith(Suffix, StringComparison.Ordinal))
        {
            Stalled.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancel);
        }

        return await inner.PutAsync(key, body, headers, fence, cancel);
    }

    public Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancel) => inner.HeadAsync(key, cancel);

    public Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancel) => inner.GetAsync(key, range, cancel);

    public IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, CancellationToken cancel) => inner.ListAsync(prefix, cancel);

    public Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence, CancellationToken cancel) =>
        inner.DeleteAsync(keys, fence, cancel);

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancel) => inner.SyncAsync(keys, cancel);

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life) => inner.SignPut(key, maxSize, life);

    public Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancel) =>
        inner.BeginMultipartAsync(key, partSize, cancel);

    public Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancel) => inner.PutNewAsync(key, body, cancel);

    public Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancel) =>
        inner.PutPartAsync(key, uploadId, partSize, number, body, cancel);

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life) =>
        inner.SignParts(key, uploadId, partSize, first, count, life);

    public Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancel) =>
        inner.CompleteMultipartAsync(key, uploadId, size, partMd5, cancel);

    public Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancel) =>
        inner.AbortMultipartAsync(key, uploadId, cancel);

    public IAsyncEnumerable<OpenMultipart> ListMultipartAsync(CancellationToken cancel) => inner.ListMultipartAsync(cancel);
}
