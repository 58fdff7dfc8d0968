using System.Threading.Channels;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>
/// Gathers roots as they come into batches. A batch closes a moment after its last root, a while after its first, or when it is full; while
/// the former one is pushed, the next one fills.
/// </summary>
internal sealed class RootBatches(TimeProvider time)
{
    /// <summary>Nix is called once for so many.</summary>
    private const int MaxRoots = 5000;

    private static readonly TimeSpan AfterFirst = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterLast = TimeSpan.FromSeconds(0.5);

    // Bounded: whoever writes faster than pushes go has to wait.
    private readonly Channel<(StorePath Root, long Arrived)> _roots =
        Channel.CreateBounded<(StorePath, long)>(new BoundedChannelOptions(MaxRoots) { SingleReader = true });

    public ValueTask AddAsync(StorePath root, CancellationToken cancellationToken) =>
        _roots.Writer.WriteAsync((root, time.GetTimestamp()), cancellationToken);

    /// <summary>Nothing more comes.</summary>
    /// <param name="why">What ended it early.</param>
    public void Complete(Exception? why = null) => _roots.Writer.TryComplete(why);

    /// <summary>The next batch, each root once; null at the end.</summary>
    public async Task<IReadOnlyList<StorePath>?> NextAsync(CancellationToken cancellationToken)
    {
        var reader = _roots.Reader;
        if (!await reader.WaitToReadAsync(cancellationToken) || !reader.TryRead(out var first))
            return null;
        var batch = new HashSet<StorePath> { first.Root };
        var (begun, last) = (first.Arrived, first.Arrived);
        while (batch.Count < MaxRoots)
        {
            if (reader.TryRead(out var next))
            {
                batch.Add(next.Root);
                last = next.Arrived;
                continue;
            }

            var left = Least(AfterFirst - time.GetElapsedTime(begun), AfterLast - time.GetElapsedTime(last));
            if (left <= TimeSpan.Zero || !await ComesAsync(left, cancellationToken))
                break;
        }

        return [.. batch];
    }

    /// <summary>False: nothing has come in that time, or nothing more comes.</summary>
    private async Task<bool> ComesAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = time.CreateTimer(_ => limit.Cancel(), null, within, Timeout.InfiniteTimeSpan);
        try
        {
            return await _roots.Reader.WaitToReadAsync(limit.Token);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The time is over; or something has ended the input, which the next call tells.
            return false;
        }
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
