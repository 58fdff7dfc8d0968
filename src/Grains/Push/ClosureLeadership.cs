using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>
/// The first push of a closure goes ahead of others of just the same, by way of the closure's grain: who begins when it has ended finds all
/// of it there, and neither claims, waits nor publishes.
/// Advice: who does not wait, or not long enough, is as right. Closures recently seen complete skip the grain call.
/// </summary>
internal sealed class ClosureLeadership(ClusterCalls calls, string scope, TimeProvider time, TimeSpan patience)
{
    /// <summary>
    /// How long one that goes first is waited for: longer than a common push takes, shorter than a claim of a client that went away.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int MaxWhole = 10_000;

    // Who goes first is told at once, unless a silo has just been lost: then nobody waits for it for a while.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, bool> _whole = new(StringComparer.Ordinal);
    // Ticks, so that it is read whole.
    private long _pausedUntil;

    /// <summary>
    /// Equal for what names the same paths with the same contents and roots, in the same order, for the same trust group: what another
    /// group is about to bring is nothing to wait for.
    /// </summary>
    public static byte[] DigestOf(BeginPush request, string group)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // One call: the hash takes longer to be called than to read what it is given.
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
    /// True at once for the first, which tells what it finds by <see cref="Opened"/>. For others false, once the first needs no waiting
    /// for, or after a few seconds.
    /// </summary>
    public async Task<bool> TakeAsync(CacheName cache, byte[] closure, OperationId operation, CancellationToken cancellationToken)
    {
        var key = GrainKey.Of(scope, cache, closure).ToString();
        if (calls.Grains is not { } grains || time.GetUtcNow().UtcTicks < Interlocked.Read(ref _pausedUntil) || _whole.ContainsKey(key))
            return false;
        try
        {
            var grain = grains.GetGrain<IClosureGrain>(key);
            if (await grain.TakeAsync(operation.Value, patience).WaitAsync(AnswerTime, time, cancellationToken))
                return true;
            await grain.WaitAsync(patience).WaitAsync(patience + AnswerTime, time, cancellationToken);
        }
        catch (Exception e) when (ClusterCalls.IsUnknown(e))
        {
            Interlocked.Exchange(ref _pausedUntil, (time.GetUtcNow() + Pause).UtcTicks);
        }

        return false;
    }

    /// <summary>What a begin found. Does not wait or throw.</summary>
    /// <param name="first">What <see cref="TakeAsync"/> answered.</param>
    /// <param name="opened">Others wait until it ends when something is missing. Null: it was not opened, and nobody waits for it.</param>
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
