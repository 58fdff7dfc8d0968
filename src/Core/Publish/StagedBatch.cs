using OrleansCache.Core.Store;

namespace OrleansCache.Core.Publish;

/// <summary>
/// The writes of one batch of the publisher. Bodies are staged in groups, one after the other, and an item is written once its own group is
/// staged, so a slow disk still gets some of them done before the fence.
/// </summary>
internal sealed class StagedBatch(IObjectStore store, CancellationToken cancellationToken) : IAsyncDisposable
{
    // Bounds the open files, and what a slow disk can sync well before the fence.
    private const int GroupSize = 256;

    private readonly List<List<ObjectWrite>> _groups = [];
    private TaskCompletionSource<IStagedWrites>[] _staged = [];
    private Task _staging = Task.CompletedTask;

    /// <summary>Adds writes that belong together, in their order. Not after <see cref="Start"/>.</summary>
    public StagedItem Add(params ReadOnlySpan<ObjectWrite> writes)
    {
        if (_groups.Count == 0 || _groups[^1].Count + writes.Length > GroupSize)
            _groups.Add([]);
        var group = _groups[^1];
        var item = new StagedItem(_groups.Count - 1, group.Count, writes.Length);
        group.AddRange(writes);
        return item;
    }

    public void Start()
    {
        _staged = [.. _groups.Select(_ => new TaskCompletionSource<IStagedWrites>(TaskCreationOptions.RunContinuationsAsynchronously))];
        _staging = StageAsync();
    }

    /// <summary>Returns once the item's group is staged; throws when staging failed.</summary>
    public Task StagedAsync(StagedItem item) => _staged[item.Group].Task;

    /// <summary>Writes an item, up to the first write that is not done.</summary>
    public async Task<FencedOutcome> PutAsync(StagedItem item, DateTimeOffset fence)
    {
        var group = await _staged[item.Group].Task;
        var outcome = FencedOutcome.Done;
        for (var i = 0; i < item.Count && outcome == FencedOutcome.Done; i++)
            outcome = await group.PutAsync(item.First + i, fence, cancellationToken);
        return outcome;
    }

    public async ValueTask DisposeAsync()
    {
        await _staging;
        foreach (var group in _staged)
        {
            if (group.Task.IsCompletedSuccessfully)
                await (await group.Task).DisposeAsync();
        }
    }

    private async Task StageAsync()
    {
        for (var i = 0; i < _groups.Count; i++)
        {
            try
            {
                _staged[i].SetResult(await store.StageAsync(_groups[i], cancellationToken));
            }
            catch (Exception e)
            {
                // Each write of the group throws this.
                _staged[i].SetException(e);
                _ = _staged[i].Task.Exception;
            }
        }
    }
}

/// <summary>Some writes of a group.</summary>
internal readonly record struct StagedItem(int Group, int First, int Count);
