using System.Diagnostics;
using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Verify;

/// <summary>Waits until the NARs that a commit needs read are read.</summary>
internal sealed class VerificationWait(VerificationCatalog catalog, Verifier verifier, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);

    /// <summary>What another trust group has uploaded is as good, as a server reads it first.</summary>
    public bool ReadsOthers => verifier.ReadsOthers;

    /// <summary>Null when all is read, one way or the other; else what is still to be read when the patience ends.</summary>
    public async Task<Backlog?> WaitAsync(int cache, OwnPush push, TimeSpan patience, CancellationToken cancellationToken)
    {
        verifier.Wake();
        var started = Stopwatch.GetTimestamp();
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            if (await catalog.LeftAsync(cache, push, cancellationToken) == 0)
                return null;
            if (Stopwatch.GetElapsedTime(started) >= patience)
            {
                var left = await catalog.ProgressAsync(cache, push, cancellationToken);
                return left.Nars == 0 ? null : new Backlog
                {
                    Nars = left.Nars,
                    Bytes = left.Bytes,
                    BytesAhead = left.Ahead,
                    BytesPerSecond = verifier.BytesPerSecond is { } rate ? (long)rate : null,
                    Trouble = left.Trouble,
                };
            }

            // Any server may be the reader: only the catalog knows.
            await Task.Delay(pause, time, cancellationToken);
        }
    }

    /// <summary>A sentence about it.</summary>
    public static string Describe(Backlog backlog)
    {
        var rate = backlog.BytesPerSecond is { } speed and > 0
            ? string.Create(CultureInfo.InvariantCulture, $", at {speed / 1e6:0.#} MB a second here") : "";
        var trouble = backlog.Trouble is { } why ? $" {why}" : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"{backlog.Nars} NARs of {backlog.Bytes / 1e6:0.#} MB are still to be read before they are signed, after " +
            $"{backlog.BytesAhead / 1e6:0.#} MB of others{rate}.{trouble}");
    }
}
