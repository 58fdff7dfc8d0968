using OrleansCache.Core.Common;

namespace OrleansCache.Core.Verify;

/// <summary>Bytes per second over the last half minute.</summary>
internal sealed class RateMeter(TimeProvider time)
{
    private const int Seconds = 30;
    private readonly long[] _bytes = new long[Seconds];
    private readonly Lock _gate = new();
    private long _now;

    public double? PerSecond
    {
        get
        {
            lock (_gate)
            {
                Move();
                var busy = _bytes.Count(b => b > 0);
                return busy == 0 ? null : _bytes.Sum() / (double)busy;
            }
        }
    }

    public void Add(int bytes)
    {
        Telemetry.VerifiedBytes.Add(bytes);
        lock (_gate)
        {
            Move();
            _bytes[_now % Seconds] += bytes;
        }
    }

    // Empties the seconds that have passed since the last call.
    private void Move()
    {
        var now = (long)time.GetElapsedTime(0).TotalSeconds;
        for (var second = Math.Max(_now + 1, now - Seconds + 1); second <= now; second++)
            _bytes[second % Seconds] = 0;
        _now = Math.Max(_now, now);
    }
}
