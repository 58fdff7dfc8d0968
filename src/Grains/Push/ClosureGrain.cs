using Orleans.Placement;

namespace OrleansCache.Grains;

/// <summary>The grain lives at the silo that first asks for it, as most closures are pushed by one client only.</summary>
[PreferLocalPlacement]
internal sealed class ClosureGrain(TimeProvider time) : Grain, IClosureGrain
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _first;
    private long _since;

    public Task<bool> TakeAsync(string operation, TimeSpan patience)
    {
        if (_first is null || time.GetElapsedTime(_since) >= patience)
            (_first, _since) = (operation, time.GetTimestamp());
        return Task.FromResult(_first == operation);
    }

    public async Task WaitAsync(TimeSpan patience)
    {
        // A new activation, which nobody has asked for a turn, knows of no first push to wait for.
        if (_first is null)
            return;
        var left = patience - time.GetElapsedTime(_since);
        if (left > TimeSpan.Zero)
            await _ended.Task.WaitAsync(left, time)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    public async Task<bool> WaitForEndAsync(TimeSpan slice)
    {
        if (_first is not null)
            await _ended.Task.WaitAsync(slice, time)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        return _first is null || _ended.Task.IsCompleted;
    }

    public Task EndedAsync()
    {
        _ended.TrySetResult();
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}
