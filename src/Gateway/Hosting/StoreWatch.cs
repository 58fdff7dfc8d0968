using System.Threading.Channels;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Probes the store again after it has refused a write, and while no push can succeed, at most once a minute. Each probe writes an object,
/// so beside that only an operator's question starts one, while the store is not well.
/// </summary>
internal sealed class StoreWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly StoreCheck _check;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _one = new(1);
    private readonly CancellationTokenSource _ended = new();
    private readonly Channel<StoreAnswer> _refusals =
        Channel.CreateBounded<StoreAnswer>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Task _watching;
    private long? _asked; // Under _one.

    /// <param name="check">Has probed the store at the start.</param>
    /// <param name="store">Null: the objects lie in a directory, and there is nothing to ask.</param>
    /// <param name="log">Is told what changes.</param>
    /// <param name="time">Measures the pauses.</param>
    public StoreWatch(StoreCheck check, S3ObjectStore? store, ILogger log, TimeProvider time)
    {
        (_check, _log, _time) = (check, log, time);
        if (store is not null)
            store.WriteRefused = answer => _refusals.Writer.TryWrite(answer);
        _watching = store is null ? Task.CompletedTask : WatchAsync(_ended.Token);
    }

    /// <summary>What an operator should know of the store, a sentence each. A store that was not well is probed again first.</summary>
    public async Task<IReadOnlyList<string>> FindDoubtsAsync(CancellationToken cancellationToken)
    {
        if (_check.IsUnwell)
            await AskAsync(cancellationToken);
        return _check.Doubts;
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _watching;
        _ended.Dispose();
        _one.Dispose();
    }

    private async Task WatchAsync(CancellationToken ended)
    {
        try
        {
            while (true)
            {
                // Deletions may be refused for ever, and each probe would leave an object. So a refused deletion starts a probe, and time
                // does not.
                if (!_check.IsWorthAsking)
                    await _refusals.Reader.ReadAsync(ended);
                while (await AskAsync(ended) is { } pause)
                    await Task.Delay(pause, _time, ended);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    /// <returns>Null: it has probed; else how long to wait before the next probe.</returns>
    private async Task<TimeSpan?> AskAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_asked is { } asked && Interval - _time.GetElapsedTime(asked) is var pause && pause > TimeSpan.Zero)
                return pause;
            _asked = _time.GetTimestamp();
            _refusals.Reader.TryRead(out _); // This probe covers earlier refusals.
            await _check.AgainAsync(_log, cancellationToken);
            return null;
        }
        finally
        {
            _one.Release();
        }
    }
}
