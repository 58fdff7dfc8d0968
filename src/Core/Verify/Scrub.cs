namespace OrleansCache.Core.Verify;

/// <summary>
/// Has all live paths read again, oldest first and for ever, at a rate that all servers share: the catalog has whose turn it is and how far
/// it is.
/// </summary>
internal sealed class Scrub(VerificationCatalog catalog, long bytesPerSecond)
{
    public static readonly TimeSpan Turn = TimeSpan.FromSeconds(10);
    private const int MaxAsked = 16;
    private static readonly TimeSpan MaxPause = TimeSpan.FromDays(1);

    public async Task AskAsync(int cache, CancellationToken cancellationToken)
    {
        if (await catalog.ScrubAsync(cache, MaxAsked, Turn, cancellationToken) is not { } bytes)
            return;
        // The bytes of this turn are the pause before the next one.
        var pause = TimeSpan.FromSeconds((double)bytes / bytesPerSecond);
        if (pause > Turn)
            await catalog.PauseScrubAsync(cache, pause < MaxPause ? pause : MaxPause, cancellationToken);
    }
}
