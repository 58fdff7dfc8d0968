using OrleansCache.Core.Objects;
using OrleansCache.Protocol;

namespace OrleansCache.Core.Gc;

/// <summary>Says of runs that what they deleted still takes its space: a versioned bucket keeps it as old versions. The bucket is asked once a minute at most.</summary>
internal sealed class OldVersions(IObjectStore store, TimeProvider time)
{
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(1);

    private volatile Answer? _last;

    /// <summary>The same run, marked where the bucket keeps old versions.</summary>
    public async Task<GcRun> MarkAsync(GcRun run, CancellationToken cancel) => await StayAsync(cancel) ? run with { KeepsOldVersions = true } : run;

    private async Task<bool> StayAsync(CancellationToken cancel)
    {
        if (_last is { } last && time.GetElapsedTime(last.Asked) < Believed)
            return last.Stay;
        var answer = new Answer(await store.KeepsOldVersionsAsync(cancel), time.GetTimestamp());
        _last = answer;
        return answer.Stay;
    }

    private sealed record Answer(bool Stay, long Asked);
}
