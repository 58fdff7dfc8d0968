using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Probes what the bucket allows, before the server is ready and again after a refusal. The results are applied and logged; at the start, a
/// bucket that cannot work is an error.
/// </summary>
/// <param name="store">Null: the objects lie in a directory.</param>
/// <param name="settings">How the bucket was given.</param>
internal sealed partial class StoreCheck(S3ObjectStore? store, S3Settings? settings)
{
    private static readonly TimeSpan MaxSkew = TimeSpan.FromSeconds(5);
    private string? _unknown;
    private StoreTraits? _traits;
    private HashSet<string> _findings = [];

    private string Place =>
        $"bucket {settings!.Bucket} at {(settings.Endpoint is { } endpoint ? endpoint.Authority : $"Amazon's {settings.Region}")}";

    /// <summary>What an operator should act on, a sentence each, as last found.</summary>
    public IReadOnlyList<string> Doubts { get; private set; } = [];

    /// <summary>Why no push can succeed, in one sentence; null when the last probe did all that pushes need.</summary>
    public string? Trouble { get; private set; }

    /// <summary>Another probe may find an improvement: pushes fail, deletions are refused, or nothing is known.</summary>
    public bool IsUnwell => IsWorthAsking || _traits?.DeletionRefused is not null;

    /// <summary>Pushes fail, or nothing is known: a recovery should be noticed at once.</summary>
    public bool IsWorthAsking => Trouble is not null || _unknown is not null;

    /// <exception cref="StartupException">A cache cannot work with what the store allows.</exception>
    public async Task AtStartAsync(ILogger log, CancellationToken cancellationToken)
    {
        if (store is null)
            return;
        try
        {
            Follow(await store.ProbeAsync(cancellationToken), log);
        }
        catch (ObjectStoreException e) when (e.Answer is { IsRefusal: true })
        {
            throw new StartupException($"The {Place} cannot be used. {e.Message}", e);
        }
        catch (ObjectStoreException e)
        {
            _unknown = $"what it can do could not be found out: {e.Message}";
        }
    }

    /// <summary>Probes again while the server serves. No result ends the server; the log gets what is new.</summary>
    public async Task AgainAsync(ILogger log, CancellationToken cancellationToken)
    {
        // With a retention, the object that the probe writes would stay until it is over.
        if (store is null || _traits is { HasRetention: true })
            return;
        try
        {
            Follow(await store.ProbeAsync(cancellationToken), log);
            if (Trouble is not null)
                LogFinding(log, LogLevel.Information, Place, "it does again what pushes need.");
            (Trouble, _unknown) = (null, null);
        }
        catch (ObjectStoreException e) when (e.Answer is { IsRefusal: true })
        {
            var trouble = $"The {Place} refuses what pushes need. {e.Message}";
            if (trouble != Trouble)
                LogTrouble(log, trouble);
            Trouble = trouble;
        }
        catch (ObjectStoreException)
        {
            // The store does not answer, which /readyz reports. What it allows may be unchanged.
        }
    }

    /// <summary>
    /// Logs that a probe failed. To be called once the store has proved usable; before that, the error itself is what there is to tell.
    /// </summary>
    public void TellWhatIsUnknown(ILogger log)
    {
        if (_unknown is { } unknown)
            LogFinding(log, LogLevel.Warning, Place, unknown);
    }

    private void Follow(StoreTraits traits, ILogger log)
    {
        store!.Adapt(traits);
        _traits = traits;
        var findings = Describe(traits).ToList();
        foreach (var (level, finding) in findings.Where(f => !_findings.Contains(f.Finding)))
            LogFinding(log, level, Place, finding);
        foreach (var over in _findings.Except(findings.Select(f => f.Finding)))
            LogFinding(log, LogLevel.Information, Place, $"no longer so: {over}");
        _findings = [.. findings.Select(f => f.Finding)];
        Doubts = [.. findings.Where(f => f.Level == LogLevel.Warning).Select(f => $"{Place}: {f.Finding}")];
    }

    internal static IEnumerable<(LogLevel Level, string Finding)> Describe(StoreTraits traits)
    {
        if (traits.HasRetention)
            yield return (LogLevel.Warning,
                "it keeps what is written for a time (Object Lock), so nothing was tried. Content-MD5 is sent, NARs are uploaded in " +
                "parts, and what collections delete takes room until its time is over; clients of niks3 cannot upload there.");
        else if (!traits.KnowsIfNoneMatch)
            yield return (LogLevel.Information,
                "it does not know If-None-Match. NARs are uploaded in parts, so that no upload URL works twice.");
        else if (!traits.HoldsIfNoneMatch)
            yield return (LogLevel.Information,
                "it ignores If-None-Match, as Ceph before 20 does in buckets with versions. NARs are uploaded in parts, so that no " +
                "upload URL works twice.");
        if (!traits.EtagIsMd5 && traits.ComparesMd5)
            yield return (LogLevel.Information,
                "its ETags are no MD5, as with SSE-KMS. Uploads are compared by their size; that they arrive undamaged is the store's to " +
                "check, by Content-MD5.");
        else if (!traits.EtagIsMd5)
            yield return (LogLevel.Warning,
                "its ETags are no MD5, and it compares no body with its Content-MD5, so uploads are compared by their size alone. Let " +
                "clients upload by https, which finds damage on the way.");
        else if (!traits.ComparesMd5)
            yield return (LogLevel.Information,
                "it compares no body with its Content-MD5. The server compares the ETags of uploads with what clients have sent.");
        if (traits.KeepsOldVersions)
            yield return (LogLevel.Information,
                "it keeps old versions. What collections delete takes room until its lifecycle removes them.");
        if (!traits.AnswersRanges)
            yield return (LogLevel.Warning,
                "it does not answer a range of an object as it should. Readers that go on with a download begin again.");
        if (!traits.DeletesMany)
            yield return (LogLevel.Information,
                "it does not delete many objects by one request. They are deleted one by one, which takes collections longer.");
        if (traits.DeletionRefused is { } refusal)
            yield return (LogLevel.Warning,
                $"it refuses deletions ({refusal.Code}). {refusal.Sentence} Until then no collection frees anything, and a path that was " +
                "collected cannot be pushed again.");
        if (traits.Ahead.Duration() > MaxSkew)
            yield return (LogLevel.Warning,
                $"its clock is {(long)traits.Ahead.Duration().TotalSeconds} s {(traits.Ahead > TimeSpan.Zero ? "ahead of" : "behind")} this " +
                "server's: writes would be refused as too late, or be taken when they are. Synchronise both (NTP).");
    }

    [LoggerMessage(LogLevel.Error, "{Trouble}")]
    private static partial void LogTrouble(ILogger log, string trouble);

    [LoggerMessage(Message = "{Place}: {Finding}")]
    private static partial void LogFinding(ILogger log, LogLevel level, string place, string finding);
}
