using OrleansCache.Contracts;
using OrleansCache.Core.Store;

namespace OrleansCache.Testing;

/// <summary>What befalls one call of a store.</summary>
public enum Fault
{
    None,

    /// <summary>The store is not reached: nothing happens.</summary>
    Before,

    /// <summary>The store does it and its answer is lost.</summary>
    After,

    /// <summary>The call waits until <see cref="FaultyObjectStore.Release"/>.</summary>
    Delay,
}

/// <summary>
/// A store whose calls fail as its plan says: <paramref name="plan"/> is asked at every call with its number (from 1) and name. Fenced
/// writes answer <see cref="FencedOutcome.Unknown"/> where others throw.
/// </summary>
public sealed class FaultyObjectStore(IObjectStore inner, Func<int, string, Fault> plan) : IObjectStore
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _calls;

    public int Calls => Volatile.Read(ref _calls);

    public bool IsLocal => inner.IsLocal;

    public IObjectStore Inner => inner;

    /// <summary>Where readers get an object from; null: where the inner store says.</summary>
    public Func<ObjectKey, Uri>? UrlOf { get; init; }

    public Uri? SignGet(ObjectKey key, TimeSpan life) => UrlOf is null ? inner.SignGet(key, life) : UrlOf(key);

    /// <summary>Fails the n-th call.</summary>
    public static FaultyObjectStore AtCall(IObjectStore inner, int number, Fault fault) =>
        new(inner, (n, _) => n == number ? fault : Fault.None);

    /// <summary>Fails calls at random, the same ones for the same seed and order of calls; <paramref name="rate"/> from 0 to 1.</summary>
    public static FaultyObjectStore AtRandom(IObjectStore inner, int seed, double rate)
    {
        var random = new Random(seed);
        return new FaultyObjectStore(inner, (_, _) => random.NextDouble() >= rate ? Fault.None : random.Next(2) == 0 ? Fault.Before
            : Fault.After);
    }

    /// <summary>Lets the calls go on that wait.</summary>
    public void Release()
    {
        lock (_lock)
        {
            _released.SetResult();
            _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) =>
        RunAsync("head", () => inner.HeadAsync(key, cancellationToken), cancellationToken);

    public Task<ObjectBody?> GetAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken) =>
        RunAsync("get", () => inner.GetAsync(key, range, cancellationToken), cancellationToken);

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await RunAsync("list", () => Task.FromResult(true), cancellationToken);
        await foreach (var info in inner.ListAsync(prefix, cancellationToken))
            yield return info;
    }

    public Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken) =>
        RunAsync("put", () => inner.PutAsync(key, body, headers, fence, cancellationToken), cancellationToken, FencedOutcome.Unknown);

    public Task<IReadOnlyList<FencedOutcome>> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken) =>
        RunAsync("delete", () => inner.DeleteAsync(keys, fence, cancellationToken), cancellationToken,
            [.. keys.Select(_ => FencedOutcome.Unknown)]);

    public Task SyncAsync(IReadOnlyList<ObjectKey> keys, CancellationToken cancellationToken) => RunAsync("sync", async () =>
    {
        await inner.SyncAsync(keys, cancellationToken);
        return true;
    }, cancellationToken);

    public Task PutNewAsync(ObjectKey key, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        RunAsync("put-new", async () =>
    {
        await inner.PutNewAsync(key, body, cancellationToken);
        return true;
    }, cancellationToken);

    public Task PutPartAsync(ObjectKey key, string uploadId, long partSize, int number, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken) => RunAsync("put-part", async () =>
    {
        await inner.PutPartAsync(key, uploadId, partSize, number, body, cancellationToken);
        return true;
    }, cancellationToken);

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life) => inner.SignPut(key, maxSize, life);

    public Task<string> BeginMultipartAsync(ObjectKey key, long partSize, CancellationToken cancellationToken) =>
        RunAsync("begin", () => inner.BeginMultipartAsync(key, partSize, cancellationToken), cancellationToken);

    public IReadOnlyList<Uri> SignParts(ObjectKey key, string uploadId, long partSize, int first, int count, TimeSpan life) =>
        inner.SignParts(key, uploadId, partSize, first, count, life);

    public Task<bool> CompleteMultipartAsync(ObjectKey key, string uploadId, long size, IReadOnlyList<string> partMd5,
        CancellationToken cancellationToken) =>
        RunAsync("complete", () => inner.CompleteMultipartAsync(key, uploadId, size, partMd5, cancellationToken), cancellationToken);

    public Task AbortMultipartAsync(ObjectKey key, string uploadId, CancellationToken cancellationToken) => RunAsync("abort", async () =>
    {
        await inner.AbortMultipartAsync(key, uploadId, cancellationToken);
        return true;
    }, cancellationToken);

    public async IAsyncEnumerable<OpenMultipart> ListMultipartAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await RunAsync("list-multipart", () => Task.FromResult(true), cancellationToken);
        await foreach (var upload in inner.ListMultipartAsync(cancellationToken))
            yield return upload;
    }

    private async Task<T> RunAsync<T>(string call, Func<Task<T>> run, CancellationToken cancellationToken, T? unanswered = default)
    {
        Fault fault;
        Task released;
        int number;
        lock (_lock)
        {
            number = ++_calls;
            fault = plan(number, call);
            released = _released.Task;
        }

        if (fault == Fault.Delay)
            await released.WaitAsync(cancellationToken);
        if (fault != Fault.Before)
        {
            var answer = await run();
            if (fault != Fault.After)
                return answer;
        }

        return unanswered is not null && typeof(T) != typeof(bool)
            ? unanswered
            : throw new ObjectStoreException($"call {number} ({call}) failed as planned", isTransient: true);
    }
}
