using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;

namespace OrleansCache.Core.Pins;

/// <summary>
/// Rule 11: brings <c>pins/&lt;name&gt;</c> in the bucket to what the pin's row says. Any process may do so for any pin, always from the
/// newest row. An intent is cleared before its fence only when every attempt was answered, so an older value cannot land later.
/// </summary>
internal sealed partial class PinWriter(PinCatalog catalog, IObjectStore store, PushOptions options, ILogger logger,
    CancellationToken stopping, TimeProvider? time = null)
{
    private const int Batch = 100;
    private const int MaxTroubles = 10_000;
    private const int FirstPauseMilliseconds = 10;
    private const int LongestPauseMilliseconds = 250;

    // The reason why this process's last attempt failed.
    private readonly ConcurrentDictionary<(int Cache, PinName Name), string> _troubles = new();

    /// <summary>The reason why the pin is not in the bucket yet, in a sentence; null when nothing went wrong.</summary>
    public string? TroubleOf(int cache, PinName name) => _troubles.GetValueOrDefault((cache, name));

    /// <summary>
    /// Writes a pin until the bucket has its newest revision, and goes on for a while after the caller has stopped waiting. True when it is
    /// done.
    /// </summary>
    public async Task<bool> WriteAsync(int cache, PinName name, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            _troubles.TryRemove((cache, name), out _);
            return await Task.Run(() => UntilWrittenAsync(cache, name, patience, stopping), CancellationToken.None)
                .WaitAsync(patience > TimeSpan.Zero ? patience : TimeSpan.Zero, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or ObjectStoreException or CacheProblemException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            if (e is ObjectStoreException refusal)
                Note(cache, name, refusal.Told);
            // The row says that the pin is not written, and the housekeeper reads it.
            return false;
        }
    }

    /// <summary>Writes up to a hundred pins that no process is writing, once.</summary>
    public async Task WriteSomeAsync(int cache, CancellationToken cancellationToken)
    {
        var intents = await catalog.IntendAsync(cache, null, options, Batch, cancellationToken);
        await Task.WhenAll(intents.Select(i => AttemptAsync(i, cancellationToken)));
    }

    /// <summary>Deletes pins past their expiry.</summary>
    public Task ExpireAsync(int cache, CancellationToken cancellationToken) => catalog.ExpireAsync(cache, Batch, cancellationToken);

    /// <summary>Forgets operations that are too old to be sent again.</summary>
    public Task ForgetAsync(int cache, CancellationToken cancellationToken) => catalog.ForgetOperationsAsync(cache, cancellationToken);

    private async Task<bool> UntilWrittenAsync(int cache, PinName name, TimeSpan patience, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        // Tries until past a fence; the housekeeper writes a pin that is not written by then.
        var most = options.Fence + 2 * options.FenceMargin;
        most = patience > most ? patience : most;
        for (var pause = FirstPauseMilliseconds; Stopwatch.GetElapsedTime(started) < most; pause = Math.Min(pause * 2,
            LongestPauseMilliseconds))
        {
            var intents = await catalog.IntendAsync(cache, name, options, 1, cancellationToken);
            // None: all is written, or an attempt is under way or under its fence.
            var (written, answer) = intents is [var intent] ? await AttemptAsync(intent, cancellationToken)
                : (await catalog.IsWrittenAsync(cache, name, cancellationToken), null);
            if (answer is not null)
                Note(cache, name, new ObjectStoreException($"PUT {ObjectKey.Pin(name)}", answer).Message);
            if (written)
            {
                _troubles.TryRemove((cache, name), out _);
                return true;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(pause), time ?? TimeProvider.System, cancellationToken);
        }

        return false;
    }

    private void Note(int cache, PinName name, string trouble)
    {
        // Another process may have written the pin since, so its entry would stay here.
        if (_troubles.Count >= MaxTroubles)
            _troubles.Clear();
        _troubles[(cache, name)] = trouble;
    }

    private async Task<(bool Written, StoreAnswer? Answer)> AttemptAsync(PinIntent intent, CancellationToken cancellationToken)
    {
        var key = ObjectKey.Pin(intent.Name);
        FencedOutcome outcome;
        try
        {
            outcome = intent.Deleted
                ? (await store.DeleteAsync([key], intent.Fence, cancellationToken))[0]
                : await store.PutAsync(key, Encoding.ASCII.GetBytes(intent.Path.ToString()), KeyHeaders.For(key), intent.Fence,
                    cancellationToken);
            if (outcome == FencedOutcome.Done)
                await store.SyncAsync([key], cancellationToken);
        }
        catch (ObjectStoreException e) when (!e.IsTransient)
        {
            // The store answered with a refusal, so the attempt had no effect.
            LogRefused(e, key);
            await catalog.RecordAsync(intent, done: false, cancellationToken);
            throw;
        }

        return (outcome != FencedOutcome.Unknown && await catalog.RecordAsync(intent, outcome == FencedOutcome.Done, cancellationToken),
            outcome.Answer);
    }

    [LoggerMessage(LogLevel.Warning, "the store refuses to change {Key}; it is tried again")]
    private partial void LogRefused(Exception e, ObjectKey key);
}
