using System.Diagnostics;
using System.Runtime.CompilerServices;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pins;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>The push contract in process: any number of these on one catalog are right together.</summary>
internal sealed partial class DirectPushes(
    CacheDirectory caches, PushCatalog catalog, UploadGrants grants, UploadCheck check, Publisher publisher, PinWriter pins,
        UploadWaiters waits, PathSigner signer,
    PushOptions options, CancellationToken stopping, TimeProvider? time = null, IUploadNews? news = null,
        RefusedDeletions? refused = null) : IPushes
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

    public async Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var closure = Closure.Check(request, options);
        var logs = request.Logs.DistinctBy(l => l.Drv).ToDictionary(l => ObjectKey.Log(l.Drv).ToString());
        var realisations = request.Realisations.DistinctBy(r => r.Id).ToDictionary(r => ObjectKey.Realisation(r.Id).ToString());
        var opening = new Opening(
            _caller.Scope(operation), closure.Digest, options.Life, [.. request.Paths.Select(p => p.Path.Hash)],
                [.. request.Roots.Distinct().Select(r => closure.Index[r] + 1)],
            [.. logs.Keys, .. realisations.Keys], request.Pin, Own(PushId.New()), request.Committers, closure.PathDigests, options.Quotas);
        var opened = await catalog.OpenAsync(id, opening, cancellationToken);
        Quotas.Check(opened.State, _caller);
        var push = Own(opened.Id);
        switch (opened.State)
        {
            case "open": break;
            case "reused":
                throw new CacheProblemException(ProblemKind.KeyReused,
                "This Idempotency-Key belongs to a push of another closure. Use a new key.");
            default:
                throw new CacheProblemException(ProblemKind.PushEnded,
                $"The push that this Idempotency-Key opened ({opened.Id}) is {opened.State}. Use a new key to push again.");
        }

        var verdicts = await CompareAsync(id, push, closure, opened, cancellationToken);
        await AddSignaturesAsync(id, closure, opened, verdicts, cancellationToken);

        var missing = opened.Paths.Where(p => !p.Promised || VerdictOf(p) == "supersede").ToList();
        var claims = missing.Count == 0 ? [] : await catalog.ClaimAsync(
            id, push, [.. missing.Select(m => m.Id)], Declare(closure, opened.Paths, missing), MintedKeys.Mint(missing.Count),
                options, cancellationToken);
        if (claims is [{ Path: 0, Status: not "ended" }])
        {
            await catalog.EndAsync(id, push, cancellationToken);
            Quotas.Check(claims[0].Status, _caller);
        }

        ThrowIfEnded(claims, opened.Id);
        if (Withdrawn(claims, missing.ToDictionary(m => m.Id, m => request.Paths[m.Index].Path.Hash)) is { } withdrawn)
        {
            await catalog.EndAsync(id, push, cancellationToken);
            throw withdrawn;
        }

        var uploads = await grants.GrantAsync(id, push, claims, cancellationToken);
        if (claims.Count > 0)
            news?.Opened(cache, opened.Id, opened.Expires);
        var hashes = missing.ToDictionary(m => m.Id, m => request.Paths[m.Index].Path.Hash);
        Telemetry.PushesOpened.Add(1);
        CountClaims(claims);

        return new PushOpened
        {
            Id = opened.Id.ToString(),
            Expires = opened.Expires,
            RenewAfterSeconds = (int)options.RenewAfter.TotalSeconds,
            Present = opened.Paths.Count - missing.Count,
            Missing = [.. claims.Select(c => Status(c, hashes[c.Path], uploads))],
            Uploads = [.. uploads.Values],
            TakesBatches = grants.TakesBatches,
            Conflicts = [.. opened.Paths.Where(p => VerdictOf(p) is "other" or "own").Select(p => request.Paths[p.Index].Path.Hash)],
            Unverified = [.. opened.Paths.Where(p => VerdictOf(p) == "unread").Select(p => request.Paths[p.Index].Path.Hash)],
            MissingLogs = [.. opened.MissingKeys.Where(logs.ContainsKey).Select(k => logs[k].Drv)],
            MissingRealisations = [.. opened.MissingKeys.Where(realisations.ContainsKey).Select(k => realisations[k].Id)],
        };

        string? VerdictOf(OpenedPath path) => verdicts.GetValueOrDefault(path.Id);
    }

    /// <summary>
    /// What is to become of promised paths that are not known to be as this push declares them, and usable for it; by id.
    /// </summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Conflict"/>: one that this push cannot do with as it is. The push has
    /// ended then.</exception>
    private async Task<Dictionary<long, string>> CompareAsync(int cache, OwnPush push, Closure closure, OpenedPush opened,
        CancellationToken cancellationToken)
    {
        var doubtful = opened.Paths.Where(p => p.Promised
            && !(opened.CanUse(p) && p.Digest is { } digest && digest.AsSpan().SequenceEqual(closure.PathDigests[p.Index]))).ToList();
        if (doubtful.Count == 0)
            return [];
        var found = await catalog.CompareAsync(cache, push, [.. doubtful.Select(p => p.Id)], Declare(closure, opened.Paths, doubtful),
            isWhole: true, cancellationToken);
        if (found.Find(f => f.Verdict == "misnamed" || (f.Verdict == "other" && closure.Request.Pin is not null))
            is { Verdict: not null } wrong)
        {
            await catalog.EndAsync(cache, push, cancellationToken);
            throw Conflict([closure.Request.Paths[doubtful.Find(p => p.Id == wrong.Path)!.Index].Path.Hash], wrong.Publisher);
        }

        return found.Where(f => f.Verdict != "same").ToDictionary(f => f.Path, f => f.Verdict);
    }

    private CacheProblemException Conflict(List<StorePathHash> paths, string? publisher) => new(
        ProblemKind.Conflict,
        $"{paths[0]} is in this cache with another content or name, published by {publisher ?? "somebody else"}, and what you " +
            $"({_caller.Publisher}) declare does not outrank it. Push without the pin, or with a token of a higher rank, which " +
            $"supersedes it. If theirs is wrong, an admin takes it back: 'orleans-cache evict {paths[0]}'.",
        paths);

    private OwnPush Own(PushId push) => new(push, _caller);

    public async Task<ReportAnswer> ReportAsync(CacheName cache, PushId push, UploadReport report, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var (own, secret) = (Own(push), caches.SecretOf(id));
        var (uploads, strange) = (new List<(UploadToken Token, UploadedNar Report)>(), new List<RejectedUpload>());
        foreach (var upload in report.Uploads.DistinctBy(u => u.Upload))
        {
            // One of a server of an earlier version is none of ours either.
            if (UploadToken.TryParse(upload.Upload, push, secret, out var token))
                uploads.Add((token, upload));
            else
                strange.Add(new RejectedUpload
                {
                    Upload = upload.Upload,
                    Reason = "ended",
                    Detail = "This is no grant of this push; ask 'wait' about its path."
                });
        }

        var found = await check.CheckAsync(uploads, cancellationToken);
        UploadToken[] wrong = [.. uploads.Zip(found)
            .Where(u => u.Second.Rejected?.Reason is UploadCheck.SizeMismatch or UploadCheck.HashMismatch).Select(u => u.First.Token)];
        if (wrong.Length > 0)
            await catalog.RefuseAsync(id, own, wrong, cancellationToken);
        var accepted = uploads.Zip(found).Where(u => u.Second.Rejected is null)
            .Select(u => (u.First.Token, u.First.Report, u.Second.FileHash)).ToList();
        var recorded = await catalog.ReportAsync(
            id, own, [.. accepted.Select(u => new CheckedUpload(u.Token, u.FileHash, u.Report.FileSize))],
            [.. report.Listings.Select(l => (l.Path, l.Content))], ReportExtras(report), check.Reads, cancellationToken);
        if (recorded.Exists(r => r.Outcome == "push-ended"))
            throw await EndedAsync(id, push, cancellationToken);

        var outcomes = recorded.ToDictionary(r => r.Upload, r => r.Outcome);
        var ended = accepted.Where(u => outcomes.GetValueOrDefault(u.Token.Object) != "stored").ToList();
        Telemetry.UploadedBytes.Add(accepted.Except(ended).Sum(u => u.Report.FileSize));
        if (accepted.Count > ended.Count)
            news?.Arrived(cache, push, [.. accepted.Except(ended).Select(u => u.Token.NarHash)]);
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

    public async Task<WaitAnswer> WaitAsync(CacheName cache, PushId push, WaitRequest request, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        var timeout = TimeSpan.FromSeconds(Math.Clamp(request.TimeoutSeconds, 0, 60));
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            var claims = await catalog.WaitAsync(id, Own(push), request.Paths, MintedKeys.Mint(request.Paths.Count), options,
                cancellationToken);
            if (claims.Exists(c => c.Status == "ended"))
                throw await EndedAsync(id, push, cancellationToken);
            if (claims.Exists(c => c.Status == "withdrawn"))
                throw Withdrawn([.. claims.Zip(request.Paths).Where(c => c.First.Status == "withdrawn").Select(c => c.Second)]);
            if (claims.FindIndex(c => c.Status == "unnamed") is >= 0 and var at)
                throw new CacheProblemException(ProblemKind.BadRequest,
                    $"Push {push} does not name {request.Paths[at]}; ask only about paths that it began with.");
            var left = timeout - Stopwatch.GetElapsedTime(started);
            if (left <= TimeSpan.Zero || claims.Exists(c => c.Status != "wait"))
            {
                var uploads = await grants.GrantAsync(id, Own(push), claims, cancellationToken);
                news?.Alive(cache, push);
                CountClaims(claims);
                return new WaitAnswer
                {
                    Paths = [.. claims.Select((c, i) => Status(c, request.Paths[i], uploads))],
                    Uploads = [.. uploads.Values]
                };
            }

            await waits.WaitAsync(cache, id, push, claims, left, cancellationToken);
        }
    }

    public async Task<UrlsAnswer> UrlsAsync(CacheName cache, PushId push, string upload, UrlsRequest request,
        CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        if (!UploadToken.TryParse(upload, push, caches.SecretOf(id), out var token))
            throw new CacheProblemException(ProblemKind.BadRequest, $"'{upload}' is not the id of an upload grant of this push.");
        if (request.FirstPart is < 1 or > 10_000 || request.Count is < 1 or > 1_000)
            throw new CacheProblemException(ProblemKind.BadRequest, "firstPart is 1 to 10,000 and count 1 to 1,000.");
        var grant = await grants.RenewAsync(id, Own(push), token, request.FirstPart,
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
        if (state is not ("open" or "committing" or "committed"))
            throw Ended(state == "unknown" ? null : state, push);
        if (state == "open")
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
            var state = await catalog.StateAsync(id, Own(push), cancellationToken) ?? throw Ended(null, push);
            if (state.State != "open")
                return;
            // Another request of this push holds its row just now.
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
        return new MissingAnswer { Missing = await catalog.MissingAsync(caches.IdOf(cache), request.Paths, cancellationToken) };
    }

    private static void CountClaims(List<Claim> claims)
    {
        foreach (var outcome in claims.GroupBy(c => c.Status))
            Telemetry.Claims.Add(outcome.Key, outcome.Count());
    }

    private static PathStatus Status(Claim claim, StorePathHash hash, Dictionary<long, UploadGrant> uploads) => claim.Status switch
    {
        "present" => new PathStatus { Path = hash, State = PathState.Present },
        "stored" => new PathStatus { Path = hash, State = PathState.Stored },
        "upload" when uploads.TryGetValue(claim.Object, out var grant) =>
            new PathStatus { Path = hash, State = PathState.Upload, Upload = grant.Id },
        _ => new PathStatus { Path = hash, State = PathState.Wait },
    };

    private static List<ExtraObject> ReportExtras(UploadReport report) =>
    [
        .. report.Logs.Select(l => new ExtraObject(ObjectKey.Log(l.Drv), "log", l.Content, l.Path)),
        .. report.Realisations.Select(r =>
            new ExtraObject(ObjectKey.Realisation(r.Id), "realisation", System.Text.Encoding.UTF8.GetBytes(r.Content), r.Path)),
    ];

    private static CacheProblemException? Withdrawn(List<Claim> claims, Dictionary<long, StorePathHash> hashes) =>
        claims.Exists(c => c.Status == "withdrawn")
            ? Withdrawn([.. claims.Where(c => c.Status == "withdrawn").Select(c => hashes[c.Path])]) : null;

    internal static CacheProblemException Withdrawn(IReadOnlyList<StorePathHash> paths) => new(
        ProblemKind.Withdrawn,
        $"An admin has taken {paths[0]}{(paths.Count > 1 ? $" and {paths.Count - 1} more paths" : "")} out of this cache, and this " +
            "content stays out. Build it anew; or an admin lets it in again: 'orleans-cache bars list' tells the reason and the bar's " +
            "ID, for 'orleans-cache bars lift ID'.",
        paths);

    private static void ThrowIfEnded(List<Claim> claims, PushId push)
    {
        if (claims.Exists(c => c.Status == "ended"))
            throw Ended("aborted", push);
    }

    private static CacheProblemException Ended(string? state, PushId push) => state is null
        ? new CacheProblemException(ProblemKind.UnknownPush, $"There is no push {push}: it never was, or it ended long ago. Begin again.")
        : new CacheProblemException(ProblemKind.PushEnded, $"Push {push} is {state}. Begin again.");

    private async Task<CacheProblemException> EndedAsync(int cache, PushId push, CancellationToken cancellationToken) =>
        Ended((await catalog.StateAsync(cache, Own(push), cancellationToken))?.State, push);

    private Declaration[] Declare(Closure closure, List<OpenedPath> paths, List<OpenedPath> missing)
    {
        var ids = new long[paths.Count];
        foreach (var path in paths)
            ids[path.Index] = path.Id;
        var declarations = new Declaration[missing.Count];
        Parallel.For(0, missing.Count, i =>
        {
            var path = closure.Request.Paths[missing[i].Index];
            declarations[i] = new Declaration(
                path.Path.Name, path.NarHash, path.NarSize, [.. path.References.Distinct().Select(r => ids[closure.Index[r]]).Order()],
                    path.Deriver?.BaseName, path.Ca?.ToString(),
                signer.Sign(path, closure.References(path)), closure.PathDigests[missing[i].Index], missing[i].Promised);
        });
        return declarations;
    }

    // One by a key that nobody here knows is taken from the path's own trust group only.
    private async Task AddSignaturesAsync(int cache, Closure closure, OpenedPush opened, Dictionary<long, string> verdicts,
        CancellationToken cancellationToken)
    {
        var added = new List<(long, string)>();
        foreach (var path in opened.Paths.Where(p => p.Promised && !verdicts.ContainsKey(p.Id)))
        {
            var declared = closure.Request.Paths[path.Index];
            if (declared.Signatures.Count > 0
                && signer.Added(declared, closure.References(declared), path.Signatures.Split(' '), path.Group is not { } group
                    || group == opened.Group) is { Length: > 0 } signatures)
                added.Add((path.Id, signatures));
        }

        if (added.Count == 0)
            return;
        await publisher.AddSignaturesAsync(cache, added, cancellationToken);
        Interlocked.Exchange(ref _refresh.Value, 1);
    }
}
