using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>
/// Lets the first push of a closure go ahead, through the closure's grain. Other pushes of the same closure begin when it has ended, and
/// then find all of it there: they neither claim, wait nor publish. This is advice: a push that does not wait, or not long enough, is as
/// right. Closures recently seen complete skip the grain call.
/// </summary>
internal sealed class ClosureLeadership(ClusterCalls calls, string scope, TimeProvider time, TimeSpan patience)
{
    /// <summary>
    /// How long others wait for the first: longer than a common push takes, shorter than the claim of a client that went away lasts.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int MaxWhole = 10_000;

    // The grain answers at once who is first, unless a silo has just been lost: then no push waits for the grain for a while.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, bool> _whole = new(StringComparer.Ordinal);
    // Ticks, as a long is read in one piece.
    private long _pausedUntil;

    /// <summary>
    /// Equal for pushes with the same paths, contents and roots, in the same order, of one trust group. Another group's uploads are nothing
    /// to wait for.
    /// </summary>
    public static byte[] DigestOf(BeginPush request, string group)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // One call of the hash, as a call costs more than what it reads.
        var bytes = new byte[(request.Paths.Count * (StorePathHash.ByteLength + Sha256Hash.ByteLength))
            + (request.Roots.Count * StorePathHash.ByteLength)];
        var rest = bytes.AsSpan();
        foreach (var path in request.Paths)
        {
            path.Path.Hash.CopyTo(rest);
            path.NarHash.CopyTo(rest[StorePathHash.ByteLength..]);
            rest = rest[(StorePathHash.ByteLength + Sha256Hash.ByteLength)..];
        }

        foreach (var root in request.Roots)
        {
            root.CopyTo(rest);
            rest = rest[StorePathHash.ByteLength..];
        }

        hash.AppendData(bytes);
        hash.AppendData(Encoding.UTF8.GetBytes(group));
        return hash.GetHashAndReset();
    }

    /// <summary>
    /// True at once for the first, which passes its result to <see cref="Opened"/>. False for others, once the first is no reason to wait
    /// any more, or after a few seconds.
    /// </summary>
    public Task<bool> TakeAsync(CacheName cache, byte[] closure, OperationId operation, CancellationToken cancellationToken) =>
        TakeAsync(cache, closure, operation, patience,
            grain => grain.WaitAsync(patience).WaitAsync(patience + AnswerTime, time, cancellationToken), cancellationToken);

    /// <summary>The same for what takes longer than a call of a grain may.</summary>
    /// <param name="others">How long others wait for the first.</param>
    public Task<bool> TakeAsync(CacheName cache, byte[] key, OperationId operation, TimeSpan others, CancellationToken cancellationToken) =>
        TakeAsync(cache, key, operation, others, grain => WaitAsync(grain, others, cancellationToken), cancellationToken);

    private async Task<bool> TakeAsync(CacheName cache, byte[] closure, OperationId operation, TimeSpan others,
        Func<IClosureGrain, Task> wait, CancellationToken cancellationToken)
    {
        var key = GrainKey.Of(scope, cache, closure).ToString();
        if (calls.Grains is not { } grains || time.GetUtcNow().UtcTicks < Interlocked.Read(ref _pausedUntil) || _whole.ContainsKey(key))
            return false;
        try
        {
            var grain = grains.GetGrain<IClosureGrain>(key);
            if (await grain.TakeAsync(operation.Value, others).WaitAsync(AnswerTime, time, cancellationToken))
                return true;
            await wait(grain);
        }
        catch (Exception e) when (ClusterCalls.IsUnknown(e))
        {
            Interlocked.Exchange(ref _pausedUntil, (time.GetUtcNow() + Pause).UtcTicks);
        }

        return false;
    }

    // In slices, as a grain's call must end before Orleans gives it up.
    private async Task WaitAsync(IClosureGrain grain, TimeSpan others, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (others - time.GetElapsedTime(started) is var left && left > TimeSpan.Zero)
        {
            var slice = left < Patience ? left : Patience;
            if (await grain.WaitForEndAsync(slice).WaitAsync(slice + AnswerTime, time, cancellationToken))
                return;
        }
    }

    /// <summary>Records the result of a begin. Does not wait or throw.</summary>
    /// <param name="first">The answer of <c>TakeAsync</c>.</param>
    /// <param name="opened">When it misses something, others wait until the push has ended. Null: the begin failed, and nobody waits for
    /// it.</param>
    public void Opened(CacheName cache, byte[] closure, bool first, PushOpened? opened)
    {
        var key = GrainKey.Of(scope, cache, closure).ToString();
        if (opened is not { Missing.Count: 0 })
        {
            _whole.TryRemove(key, out _);
        }
        else
        {
            if (_whole.Count >= MaxWhole)
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
