namespace OrleansCache.Core.Store;

/// <summary>Writes of a store that can prepare nothing: each is done whole when it is asked for.</summary>
internal sealed class UnstagedWrites(IObjectStore store, IReadOnlyList<ObjectWrite> writes) : IStagedWrites
{
    public Task<FencedOutcome> PutAsync(int index, DateTimeOffset fence, CancellationToken cancel) =>
        store.PutAsync(writes[index].Key, writes[index].Body, writes[index].Headers, fence, cancel);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
