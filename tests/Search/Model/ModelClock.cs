namespace OrleansCache.Model.Tests;

/// <summary>
/// The one clock of database, store and processes, which a schedule sets forward. Pauses are gates: they last as long as the schedule
/// likes.
/// </summary>
internal sealed class ModelClock : TimeProvider
{
    public TimeSpan Shift { get; set; }

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow + Shift;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime != Timeout.InfiniteTimeSpan)
            _ = FireAsync();
        return new Pause();

        async Task FireAsync()
        {
            await Turns.ReachAsync(Turns.Pause);
            // The timer's owner holds it by now.
            await Task.Yield();
            callback(state);
        }
    }

    private sealed class Pause : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
