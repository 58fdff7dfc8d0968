using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// Bodies as temporary files of a directory store: written one after the other, synced together, each given its name when it is asked for.
/// </summary>
/// <param name="files">One for each write, durable.</param>
/// <param name="underFence">Runs an act for a key unless its fence has passed.</param>
internal sealed class StagedFiles(
    DirectoryTree tree, NewFiles files, IReadOnlyList<ObjectWrite> writes,
    Func<ObjectKey, DateTimeOffset, Action, CancellationToken, Task<FencedOutcome>> underFence) : IStagedWrites
{
    public Task<FencedOutcome> PutAsync(int index, DateTimeOffset fence, CancellationToken cancellationToken)
    {
        var key = writes[index].Key;
        var path = tree.PathOf(key);
        return StoreCall.RunAsync(StoreCall.Put, key, () => underFence(key, fence, () => files.Move(index, temp =>
        {
            DirectoryTree.Replace(temp, path);
            return true;
        }), cancellationToken), cancellationToken);
    }

    public ValueTask DisposeAsync() => files.DisposeAsync();
}
