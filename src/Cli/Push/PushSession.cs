using System.Collections.Concurrent;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>
/// One push, from begin to commit. Meanwhile it is renewed, and finished uploads are reported.
/// </summary>
/// <remarks>
/// 1. Begin, which tells what is missing. 2. Upload by our own grants. 3. Report the last of it; what was refused is asked for again.
/// 4. Wait for what others upload, and take over when they fail. 5. Commit.
/// </remarks>
internal sealed class PushSession(Api api, UploadClient uploads, PushOptions options, PushProgress progress, TimeProvider time,
    LocalClosure closure, INarContents contents)
{
    /// <summary>How often one path may be uploaded again after the server did not accept it.</summary>
    private const int MaxRejections = 3;

    private static readonly TimeSpan WaitPause = TimeSpan.FromSeconds(1);

    private readonly Dictionary<StorePathHash, int> _rejections = [];
    private readonly ConcurrentDictionary<string, UploadJob> _grants = [];

    /// <summary>The push's id between begin and commit: an interrupt has to end it.</summary>
    public string? Open { get; private set; }

    /// <exception cref="CacheException">The push has ended before its commit (<see cref="CacheException.BeginAgain"/>), among
    /// others.</exception>
    public async Task<PushResult> RunAsync(CancellationToken cancellationToken)
    {
        // 1. Begin.
        progress.Phase = "asking what is missing";
        var started = time.GetTimestamp();
        var opened = await api.BeginAsync(closure.ToBeginPush(options.Upstream), Guid.NewGuid().ToString("N"), cancellationToken);
        Open = opened.Id;
        var begun = time.GetElapsedTime(started);

        var reporter = new Reporter(api, opened.Id, time, LookAtRefused);
        using var background = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var renewing = RenewAsync(opened, background.Token);
        var reporting = reporter.RunAsync(background.Token);
        var working = WorkAsync(opened, reporter, background.Token);
        // The first to end ends the others: the work because it is done, a background task because it failed.
        var first = await Task.WhenAny(working, renewing, reporting);
        if (first != working)
            await background.CancelAsync();
        try
        {
            await (first.IsFaulted ? first : working);
        }
        finally
        {
            await background.CancelAsync();
            await Task.WhenAll(working, renewing, reporting).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None,
                TaskScheduler.Default);
        }

        // 5. Commit.
        progress.Phase = "publishing";
        var uploaded = time.GetElapsedTime(started);
        string? told = null;
        var answer = await api.CommitAsync(opened.Id, reason =>
        {
            if (reason != told)
                progress.Note($"not published yet: {reason}");
            told = reason;
        }, cancellationToken);
        Open = null;
        return new PushResult
        {
            Push = opened.Id,
            Pin = closure.Pin?.Name.ToString(),
            Paths = closure.Paths.Count,
            Present = opened.Present,
            Upstream = opened.Upstream.Count,
            Uploaded = progress.Uploaded,
            NarBytes = progress.TotalBytes,
            FileBytes = progress.SentBytes,
            Published = answer.Published,
            Absent = opened.Missing.Select(path => path.Path).ToHashSet(),
            Logs = opened.MissingLogs.Count,
            Realisations = opened.MissingRealisations.Count,
            Reports = reporter.Reports,
            Conflicts = [.. opened.Conflicts.Union(answer.Conflicts)],
            Unverified = opened.Unverified,
            Begin = begun,
            Upload = uploaded - begun,
            Commit = time.GetElapsedTime(started) - uploaded,
        };
    }

    private async Task WorkAsync(PushOpened opened, Reporter reporter, CancellationToken cancellationToken)
    {
        if (opened.Missing.Count == 0 && opened.MissingLogs.Count == 0 && opened.MissingRealisations.Count == 0)
            return;
        using var pipeline = new NarPipeline(options, contents, api, uploads, reporter, progress, opened.Id, opened.TakesBatches, time);

        // 2. Our own grants.
        var (jobs, waiting) = Plan(opened.Missing, opened.Uploads);
        progress.Phase = "uploading";
        var extras = Task.Run(() => ReportExtras(opened, reporter, cancellationToken), cancellationToken);
        var ended = await pipeline.RunAsync(jobs, cancellationToken);
        await extras;

        // 3. The last reports.
        Again(waiting, ended, await reporter.FlushAsync(cancellationToken));
        RequireUsable(opened, pipeline);

        // 4. What others upload.
        while (waiting.Count > 0)
        {
            progress.Phase = $"waiting for {Text.Count(waiting.Count, "path")} that another push uploads";
            // The server holds the request until there is news. A server that answers at once must not be asked in a tight loop.
            var pause = Task.Delay(WaitPause, time, cancellationToken);
            var answer = await api.WaitAsync(opened.Id, new WaitRequest { Paths = waiting }, cancellationToken);
            (jobs, waiting) = Plan(answer.Paths, answer.Uploads);
            progress.Phase = "uploading";
            ended = await pipeline.RunAsync(jobs, cancellationToken);
            Again(waiting, ended, await reporter.FlushAsync(cancellationToken));
            RequireUsable(opened, pipeline);
            if (waiting.Count > 0)
                await pause;
        }
    }

    // After the reports: what they name is there for the push that is begun without these paths.
    private static void RequireUsable(PushOpened opened, NarPipeline pipeline)
    {
        if (pipeline.Unusable.Count > 0)
            throw new UnusablePathsException(opened.Id, [.. pipeline.Unusable]);
    }

    /// <summary>The jobs to do now, and the paths to ask about later.</summary>
    private (List<UploadJob> Jobs, List<StorePathHash> Waiting) Plan(IEnumerable<PathStatus> paths, IReadOnlyList<UploadGrant> grants)
    {
        var byId = grants.ToDictionary(grant => grant.Id);
        var jobs = new List<UploadJob>();
        var waiting = new List<StorePathHash>();
        foreach (var path in paths.Where(path => path.State == PathState.Wait))
            waiting.Add(path.Path);
        foreach (var path in paths.Where(path => path.State == PathState.Stored))
            jobs.Add(new UploadJob(null, closure.Paths[path.Path], [path.Path]));
        foreach (var sharing in paths.Where(path => path.State == PathState.Upload).GroupBy(path => path.Upload!))
        {
            StorePathHash[] named = [.. sharing.Select(path => path.Path)];
            var job = new UploadJob(byId[sharing.Key], closure.Paths[named[0]], named);
            jobs.Add(job);
            _grants[sharing.Key] = job;
        }

        progress.Planned(jobs.Count(job => job.Grant is not null), jobs.Sum(job => job.Bytes));
        return (jobs, waiting);
    }

    /// <summary>Asks again for paths whose grants ended or were refused, a limited number of times.</summary>
    private void Again(List<StorePathHash> waiting, IReadOnlyCollection<UploadJob> ended, IReadOnlyList<RejectedUpload> rejected)
    {
        foreach (var job in ended)
        {
            // A grant may end by itself any number of times, but not again and again for a path that was refused.
            if (_rejections.ContainsKey(job.Info.Path.Hash))
                Refused(job, "its grant has ended", "ended");
            waiting.AddRange(job.Paths);
        }

        foreach (var rejection in rejected)
        {
            if (!_grants.TryGetValue(rejection.Upload, out var job))
                continue;
            Refused(job, rejection.Detail, rejection.Reason);
            progress.Note($"{job.Info.Path.BaseName} was not accepted ({rejection.Reason}): {rejection.Detail}");
            waiting.AddRange(job.Paths);
        }
    }

    private void Refused(UploadJob job, string detail, string reason)
    {
        var path = job.Info.Path;
        var times = _rejections[path.Hash] = _rejections.GetValueOrDefault(path.Hash) + 1;
        if (times >= MaxRejections)
            throw new CliException(ExitCodes.Failed, $"The server did not accept {path} {times} times: {detail} ({reason})");
    }

    /// <summary>Checks a refused path at once: damage must not be reported after hours of other uploads.</summary>
    private void LookAtRefused(RejectedUpload rejection, CancellationToken cancellationToken)
    {
        if (rejection.Reason == "hash-mismatch" && _grants.TryGetValue(rejection.Upload, out var job) && job.Grant!.ServerHashes)
            contents.CheckRefused(job.Info, cancellationToken);
    }

    private void ReportExtras(PushOpened opened, Reporter reporter, CancellationToken cancellationToken)
    {
        foreach (var id in opened.MissingRealisations)
        {
            if (closure.Realisations.TryGetValue(id, out var realisation))
                reporter.Add(new RealisationContent { Id = id, Path = realisation.Path, Content = realisation.Json });
        }

        Parallel.ForEach(opened.MissingLogs, new ParallelOptions
        {
            MaxDegreeOfParallelism = options.LogReaders,
            CancellationToken = cancellationToken,
        }, drv => ReportLog(drv, reporter, cancellationToken));
    }

    private void ReportLog(StorePath drv, Reporter reporter, CancellationToken cancellationToken)
    {
        if (!closure.Logs.TryGetValue(drv, out var log))
            return;
        try
        {
            reporter.Add(new LogContent
            {
                Drv = drv,
                Path = log.Path,
                Content = Zstd.Compress(contents.ReadLog(log.File, cancellationToken)),
            });
        }
        catch (FileNotFoundException)
        {
            // Nobody promised it: it has gone since, or was asked for without knowing.
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            progress.Note($"the build log {log.File} is not sent: {e.Message}");
        }
    }

    private async Task RenewAsync(PushOpened opened, CancellationToken cancellationToken)
    {
        var after = opened.RenewAfterSeconds; // the server's own interval
        while (await Pause.EndsAsync(TimeSpan.FromSeconds(Math.Max(1, after)), time, cancellationToken))
        {
            var answer = await api.RenewAsync(opened.Id, cancellationToken);
            if (answer.Lost.Count > 0)
                throw new CacheException(System.Net.HttpStatusCode.Gone, null,
                    $"the push had lapsed, and {Text.Count(answer.Lost.Count, "path")} that it was promised are gone", answer.Lost);
            after = answer.RenewAfterSeconds;
        }
    }
}
