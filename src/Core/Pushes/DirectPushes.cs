using System.Diagnostics;
using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Core.Upstreams;
using OrleansCache.Core.Verify;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The push contract in process: any number of these on one catalog are right together. Begin and commit have files of their own.
/// </summary>
internal sealed partial class DirectPushes(
    CacheDirectory caches, PushCatalog catalog, UploadGrants grants, UploadCheck check, UploadCopies copies, Publisher publisher,
    PinWriter pins, UploadWaiters waits, PathSigner signer,
    PushOptions options, VerificationWait verified, CancellationToken stopping, TimeProvider? time = null, IUploadNews? news = null,
    RefusedDeletions? refused = null, IParentNars? parent = null, UpstreamPaths? upstreams = null) : IPushes
{
    private static readonly TimeSpan BusyPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestBusyPause = TimeSpan.FromSeconds(2);
    // Set when this process has added signatures; the next commit here writes their narinfos before it answers. One for all callers.
    private readonly StrongBox<int> _refresh = new();
    private Caller _caller = Caller.Anonymous;

    public IPushes As(Caller caller)
    {
        var pushes = (DirectPushes)MemberwiseClone();
        pushes._caller = caller;
        return pushes;
    }

    /// <remarks>
    /// Rule 3. 1. Tell our grants from what is none. 2. Check the bytes in the store. 3. Give up the claims of wrong bytes. 4. Record the
    /// rest, and keep listings, logs and realisations until the commit. 5. Tell who waits, and answer.
    /// </remarks>
    public async Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var (own, secret) = (Own(push), caches.SecretOf(id));
        // 1. Which of them are grants of this push.
        var (uploads, strange) = (new List<(UploadGrantId GrantId, UploadedNar Report)>(), new List<RejectedUpload>());
        foreach (var upload in report.Uploads.DistinctBy(u => u.Upload))
        {
            // An id from a server of an earlier version is no grant of ours either.
            if (UploadGrantId.TryParse(upload.Upload, push, secret, out var grantId))
                uploads.Add((grantId, upload));
            else
                strange.Add(new RejectedUpload
                {
                    Upload = upload.Upload,
                    Reason = "ended",
                    Detail = "This is no grant of this push; ask 'wait' about its path."
                });
        }

        // 2. The bytes in the store.
        var found = await check.CheckAsync(uploads, cancellationToken);

        // 3. A key is never written twice, so the next try gets another.
        UploadGrantId[] wrong = [.. uploads.Zip(found)
            .Where(u => u.Second.Rejected?.Reason is UploadCheck.SizeMismatch or UploadCheck.HashMismatch).Select(u => u.First.GrantId)];
        if (wrong.Length > 0)
            await catalog.RefuseAsync(id, own, wrong, cancellationToken);

        // 4. The rows.
        var accepted = uploads.Zip(found).Where(u => u.Second.Rejected is null)
            .Select(u => (u.First.GrantId, u.First.Report, u.Second.FileHash, u.Second.Findings)).ToList();
        var recorded = await catalog.ReportAsync(
            id, own, [.. accepted.Select(u => new CheckedUpload(u.GrantId, u.FileHash, u.Report.FileSize, u.Findings))],
            [.. report.Listings.Select(l => (l.Path, l.Content))], ReportExtras(report), check.Reads, cancellationToken);
        if (recorded.Exists(r => r.Outcome == UploadOutcome.PushEnded))
            throw await EndedAsync(id, push, cancellationToken);

        // 5. News, and the answer.
        var stored = recorded.Where(r => r.Outcome == UploadOutcome.Stored).Select(r => r.Upload).ToHashSet();
        var ended = accepted.Where(u => !stored.Contains(u.GrantId.Object)).ToList();
        Telemetry.UploadedBytes.Add(accepted.Except(ended).Sum(u => u.Report.FileSize));
        if (accepted.Count > ended.Count)
            news?.Arrived(cache, push, [.. accepted.Except(ended).Select(u => u.GrantId.NarHash)]);
        return new ReportAnswer
        {
            Stored = [.. accepted.Except(ended).Select(u => u.Report.Upload)],
            Rejected =
            [
                .. strange,
                .. found.Where(f => f.Rejected is not null).Select(f => f.Rejected!),
                .. ended.Select(u => new RejectedUpload { Upload = u.Report.Upload, Reason = "ended",
                    Detail = "This grant has ended; ask 'wait' about its path." }),
            ],
        };
    }

    /// <remarks>
    /// 1. Of what another push of the trust group uploads, as the cluster knows, nothing is asked yet. 2. Ask the catalog what has become
    /// of the others. 3. Answer when one need not wait any longer, or the time is over. 4. Else sleep until there is news, and ask about
    /// what has changed.
    /// </remarks>
    public async Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var timeout = TimeSpan.FromSeconds(Math.Clamp(request.TimeoutSeconds, 0, 60));
        var started = Stopwatch.GetTimestamp();

        // 1. What is known; null: to be asked about.
        var claims = await KnownUploadsAsync(cache, push, request.Paths, cancellationToken);
        var wasAsked = false;
        while (true)
        {
            // 2. What has become of them. The catalog alone knows whether the push goes on, so each answer has asked it.
            var isOver = Stopwatch.GetElapsedTime(started) >= timeout;
            List<int> asked = [.. Enumerable.Range(0, claims.Length).Where(i => claims[i] is null || (isOver && !wasAsked))];
            if (asked.Count > 0)
            {
                var found = await LookAsync(id, push, [.. asked.Select(i => request.Paths[i])], cancellationToken);
                foreach (var (i, claim) in asked.Zip(found))
                    claims[i] = claim;
                wasAsked = true;
            }

            // 3. The answer.
            var left = timeout - Stopwatch.GetElapsedTime(started);
            if (left <= TimeSpan.Zero && !wasAsked)
                continue;
            if (left <= TimeSpan.Zero || Array.Exists(claims, c => c!.Status != ClaimStatus.Wait))
            {
                var uploads = await GrantAsync(id, Own(push), [.. claims.OfType<Claim>()], cancellationToken);
                Tell(cache, push, claims!);
                CountClaims([.. claims.OfType<Claim>()]);
                return new WaitAnswer
                {
                    Paths = [.. claims.Select((c, i) => Status(c!, request.Paths[i], uploads))],
                    Uploads = [.. uploads.Values]
                };
            }

            // 4. News.
            foreach (var i in await waits.WaitAsync(cache, id, push, claims!, left, cancellationToken))
                claims[i] = null;
        }
    }

    private async Task<Claim?[]> KnownUploadsAsync(CacheName cache, PushId push, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken)
    {
        var known = news is null ? [] : await news.UploadersAsync(cache, push, _caller.Group, paths, cancellationToken);
        return [.. paths.Select((_, i) => i < known.Count && known[i] is { } uploader ? Claim.Uploaded(0, uploader, 0) : null)];
    }

    private async Task<List<Claim>> LookAsync(int cache, PushId push, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken)
    {
        var claims = await catalog.WaitAsync(cache, Own(push), paths, MintKeys(paths), options, cancellationToken);
        if (claims.Exists(c => c.Status == ClaimStatus.Ended))
            throw await EndedAsync(cache, push, cancellationToken);
        Quotas.Check(claims.Find(c => c.Status == ClaimStatus.Quota)?.QuotaText, _caller);
        if (claims.Exists(c => c.Status == ClaimStatus.Withdrawn))
            throw Withdrawn([.. claims.Zip(paths).Where(c => c.First.Status == ClaimStatus.Withdrawn).Select(c => c.Second)]);
        if (claims.FindIndex(c => c.Status == ClaimStatus.Unnamed) is >= 0 and var at)
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"Push {push} does not name {paths[at]}; ask only about paths that it began with.");
        return claims;
    }

    // A sign of life; and what it has got to upload.
    private void Tell(CacheName cache, PushId push, IReadOnlyList<Claim> claims)
    {
        if (Uploads(claims) is > 0 and var uploads)
            news?.Uploads(cache, push, null, uploads);
        else
            news?.Alive(cache, push);
    }

    private static int Uploads(IReadOnlyList<Claim> claims) =>
        claims.Where(c => c.Status == ClaimStatus.Upload).Select(c => c.Object).Distinct().Count();

    public async Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        if (!UploadGrantId.TryParse(upload, push, caches.SecretOf(id), out var grantId))
            throw new CacheProblemException(ProblemKind.BadRequest, $"'{upload}' is not the id of an upload grant of this push.");
        if (request.FirstPart is < 1 or > 10_000 || request.Count is < 1 or > 1_000)
            throw new CacheProblemException(ProblemKind.BadRequest, "firstPart is 1 to 10,000 and count 1 to 1,000.");
        var grant = await grants.RenewAsync(id, Own(push), grantId, request.FirstPart,
            Math.Min(request.Count, 10_001 - request.FirstPart), cancellationToken);
        news?.Alive(cache, push);
        return grant is null
            ? throw new CacheProblemException(ProblemKind.PushEnded,
                "This grant has ended: it was recorded, or its push is over. Ask 'wait' about its path.")
            : new UrlsAnswer { FirstPart = request.FirstPart, Grant = grant };
    }

    public Task<PinName?> PinAsync(CacheName cache, PushId push, CancellationToken cancellationToken) =>
        catalog.PinAsync(caches.IdOf(cache), Own(push), cancellationToken);

    public async Task<RenewAnswer> RenewAsync(CacheName cache, PushId push, CancellationToken cancellationToken)
    {
        var (state, expires, lost) = await catalog.RenewAsync(caches.IdOf(cache), Own(push), options.Life, cancellationToken);
        if (state is PushRowState.Aborted or PushRowState.Unknown)
            throw Ended(state, push);
        if (state == PushRowState.Open)
            news?.Opened(cache, push, expires!.Value);
        return new RenewAnswer
        {
            Expires = expires!.Value,
            RenewAfterSeconds = (int)options.RenewAfter.TotalSeconds,
            Lost = lost.Length == 0 ? [] : await catalog.HashesAsync(lost, cancellationToken),
        };
    }

    public async Task AbortAsync(CacheName cache, PushId push, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        while (await catalog.EndAsync(id, Own(push), cancellationToken) == 0)
        {
            switch (await catalog.StateAsync(id, Own(push), cancellationToken))
            {
                case PushRowState.Unknown:
                    throw Ended(PushRowState.Unknown, push);
                case PushRowState.Committing or PushRowState.Committed or PushRowState.Aborted:
                    return;
                case PushRowState.Open:
                    break;
            }

            // Another request of this push holds its row.
            await Task.Delay(BusyPause, time ?? TimeProvider.System, cancellationToken);
        }

        Telemetry.PushesEnded.Add("aborted");
        news?.Ended(cache, push);
    }

    public async Task<MissingAnswer> MissingAsync(CacheName cache, MissingRequest request, CancellationToken cancellationToken)
    {
        if (request.Paths.Count > options.MaxPaths)
            throw new CacheProblemException(ProblemKind.TooLarge,
                $"{request.Paths.Count} paths were asked for; {options.MaxPaths} are answered at once.");
        return new MissingAnswer { Missing = await catalog.MissingAsync(caches.IdOf(cache), _caller, request.Paths, cancellationToken) };
    }

    private OwnPush Own(PushId push) => new(push, _caller);

    private static void CountClaims(List<Claim> claims)
    {
        foreach (var outcome in claims.GroupBy(c => c.Status))
            Telemetry.Claims.Add(OutcomeText.Of(outcome.Key), outcome.Count());
    }

    private static PathStatus Status(Claim claim, StorePathHash hash, Dictionary<long, UploadGrant> uploads) => claim.Status switch
    {
        ClaimStatus.Present => new PathStatus { Path = hash, State = PathState.Present },
        ClaimStatus.Stored => new PathStatus { Path = hash, State = PathState.Stored },
        ClaimStatus.Upload when uploads.TryGetValue(claim.Object, out var grant) =>
            new PathStatus { Path = hash, State = PathState.Upload, Upload = grant.Id },
        // A claim that has just ended has no grant.
        ClaimStatus.Upload or ClaimStatus.Wait => new PathStatus { Path = hash, State = PathState.Wait },
        ClaimStatus.Ended or ClaimStatus.Unnamed or ClaimStatus.Withdrawn or ClaimStatus.Quota =>
            throw new UnreachableException($"{claim.Status} of {hash} is a refusal"),
    };

    private static List<ExtraObject> ReportExtras(UploadReport report) =>
    [
        .. report.Logs.Select(l => new ExtraObject(ObjectKey.Log(l.Drv), "log", l.Content, l.Path)),
        .. report.Realisations.Select(r =>
            new ExtraObject(ObjectKey.Realisation(r.Id), "realisation", System.Text.Encoding.UTF8.GetBytes(r.Content), r.Path)),
    ];

    private CacheProblemException Conflict(List<StorePathHash> paths, string? publisher) => new(
        ProblemKind.Conflict,
        $"{paths[0]} is in this cache with another content or name, published by {publisher ?? "somebody else"}, and what you " +
            $"({_caller.Publisher}) declare does not outrank it. Push without the pin, or with a token of a higher rank, which " +
            $"supersedes it. If theirs is wrong, an admin takes it back: 'orleans-cache evict {paths[0]}'.",
        paths);

    internal static CacheProblemException Withdrawn(IReadOnlyList<StorePathHash> paths) => new(
        ProblemKind.Withdrawn,
        $"{paths[0]}{(paths.Count > 1 ? $" and {paths.Count - 1} more paths" : "")} was taken out of this cache: by an admin, or " +
            "because its bytes were not what was declared. Push again. Where that is refused, too, an admin keeps this content out: " +
            "build it anew, or have it let in ('orleans-cache bars list' tells the reason, 'bars lift ID' does it).",
        paths);

    private static CacheProblemException Ended(PushRowState state, PushId push) => state == PushRowState.Unknown
        ? new CacheProblemException(ProblemKind.UnknownPush, $"There is no push {push}: it never was, or it ended long ago. Begin again.")
        : new CacheProblemException(ProblemKind.PushEnded, $"Push {push} is {OutcomeText.Of(state)}. Begin again.");

    private async Task<CacheProblemException> EndedAsync(int cache, PushId push, CancellationToken cancellationToken) =>
        Ended(await catalog.StateAsync(cache, Own(push), cancellationToken), push);
}
