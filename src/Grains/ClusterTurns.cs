using System.Collections.Concurrent;
using OrleansCache.Core;
using OrleansCache.Core.Pushes;
using OrleansCache.Protocol;

namespace OrleansCache.Grains;

/// <summary>Turns by way of each closure's grain. What this process has found whole lately is asked of nobody.</summary>
internal sealed class ClusterTurns(ClusterCalls calls, string scope, TimeProvider time, TimeSpan patience) : IPushTurns
{
    /// <summary>How long one that goes first is waited for: longer than a common push takes, shorter than a claim of a client that went away.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int MostWhole = 10_000;

    // Who goes first is told at once, unless a silo has just been lost: then nobody waits for it for a while.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, bool> _whole = new(StringComparer.Ordinal);
    // Ticks, so that it is read whole.
    private long _pausedUntil;

    public async Task<bool> TakeAsync(CacheName cache, byte[] closure, OperationId operation, CancellationToken cancel)
    {
        var key = GrainKey.Of(scope, cache, closure).ToString();
        if (calls.Grains is not { } grains || time.GetUtcNow().UtcTicks < Interlocked.Read(ref _pausedUntil) || _whole.ContainsKey(key))
            return false;
        try
        {
            var grain = grains.GetGrain<IClosureGrain>(key);
            if (await grain.TakeAsync(operation.Value, patience).WaitAsync(AnswerTime, time, cancel))
                return true;
            await grain.WaitAsync(patience).WaitAsync(patience + AnswerTime, time, cancel);
        }
        catch (Exception e) when (ClusterCalls.IsUnknown(e))
        {
            Interlocked.Exchange(ref _pausedUntil, (time.GetUtcNow() + Pause).UtcTicks);
        }

        return false;
    }

    public void Opened(CacheName cache, byte[] closure, bool first, PushOpened? opened)
    {
        var key = GrainKey.Of(scope, cache, closure).ToString();
        if (opened is not { Missing.Count: 0 })
        {
            _whole.TryRemove(key, out var unused);
        }
        else
        {
            if (_whole.Count >= MostWhole)
                _whole.Clear();
            _whole[key] = true;
        }

        if (!first)
            return;
        if (opened is { Missing.Count: > 0 } && PushId.TryParse(opened.Id, out var push))
            calls.Tell(grains => grains.GetGrain<IPushGrain>(GrainKey.Of(scope, cache, push).ToString()).GoesFirstAsync(closure));
        else
            calls.Tell(grains => grains.GetGrain<IClosureGrain>(key).EndedAsync());
    }
}
