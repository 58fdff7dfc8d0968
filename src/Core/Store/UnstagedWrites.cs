namespace OrleansCache.Core.Store;

/// <summary>Writes of a store that can prepare nothing: each is done whole when it is called.</summary>
internal sealed class UnstagedWrites(IObjectStore store, IReadOnlyList<ObjectWrite> writes) : IStagedWrites
{
    public Task<FencedOutcome> PutAsync(int index, DateTimeOffset fence, CancellationToken cancellationToken) =>
        store.PutAsync(writes[index].Key, writes[index].Body, writes[index].Headers, fence, cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
