using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>Rule 2: the begin, which answers what is missing.</summary>
/// <remarks>
/// 1. Check the closure, and leave out what an upstream has. 2. Open the push, or join the one of the same operation. 3. Compare promised
/// paths with what is declared: each stays, is superseded, or refuses the push; of another group's it is told nothing where it may not
/// read. 4. Add new signatures of what stays. 5. Claim what is neither promised nor to stay, but for what another push uploads as the
/// cluster knows: that is declared, and waited for. Of a stage, the store copies what its parent has. 6. Grant upload URLs for the claims,
/// and answer.
/// </remarks>
internal sealed partial class DirectPushes
{
    public async Task<PushOpened> BeginAsync(CacheName cache, BeginPush request, OperationId operation, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);

        // 1. The closure.
        var closure = Closure.Check(request, options);
        var boundaries = upstreams is null ? []
            : await upstreams.FindAsync(id, request, closure.Index, closure.PathDigests, _caller.Scope(operation), cancellationToken);
        int[] kept = [.. Enumerable.Range(0, request.Paths.Count).Where(i => !boundaries.Contains(i))];
        var logs = request.Logs.Where(l => IsKept(l.Path)).DistinctBy(l => l.Drv).ToDictionary(l => ObjectKey.Log(l.Drv).ToString());
        var realisations = request.Realisations.Where(r => IsKept(r.Path)).DistinctBy(r => r.Id)
            .ToDictionary(r => ObjectKey.Realisation(r.Id).ToString());

        // 2. The push, and what it is promised.
        var opening = new Opening(
            _caller.Scope(operation), closure.Digest, options.Life, [.. kept.Select(i => request.Paths[i].Path.Hash)],
            [.. request.Roots.Distinct().Select(r => Array.BinarySearch(kept, closure.Index[r]) + 1)],
            [.. logs.Keys, .. realisations.Keys], request.Pin, Own(PushId.New()), request.Committers,
            [.. kept.Select(i => closure.PathDigests[i])], options.Quotas)
        {
            PinsBoundaries = upstreams?.AllowsPins == true,
        };
        var opened = await catalog.OpenAsync(id, opening, cancellationToken);
        if (Refusal(opened) is { } refusal)
            throw refusal;
        if (boundaries.Count > 0)
            opened = opened with { Paths = [.. opened.Paths.Select(p => p with { Index = kept[p.Index] })] };
        var push = Own(opened.Id);

        // 3. What it declares otherwise than the cache has it.
        var verdicts = await CompareAsync(id, push, closure, opened, cancellationToken);

        // A pin may keep what is superseded, so all that the new content needs is brought.
        if (opened.Paths.Any(p => VerdictOf(p) == PathVerdict.Supersede
            && request.Paths[p.Index].References.Any(r => boundaries.Contains(closure.Index[r]))))
            return await BeginAsync(cache, request with { Upstream = false }, operation, cancellationToken);

        // 4. Signatures of what stays.
        await AddSignaturesAsync(id, closure, opened, verdicts, cancellationToken);

        // 5. Claims of what it has to bring.
        var missing = opened.Paths.Where(p => !p.Promised || VerdictOf(p) == PathVerdict.Supersede).ToList();
        var hashes = missing.ToDictionary(m => m.Id, m => request.Paths[m.Index].Path.Hash);
        var claims = missing.Count == 0 ? [] : await ClaimAsync(cache, id, push, closure, opened, missing, cancellationToken);
        await ThrowIfRefusedAsync(id, push, claims, hashes, cancellationToken);
        if (parent is not null && _endings is null)
            claims = await FillAsync(cache, id, push, closure, claims, hashes, cancellationToken);

        // 6. Grants: the URLs.
        var uploads = await GrantAsync(id, push, claims, cancellationToken);
        if (claims.Count > 0)
            news?.Uploads(cache, opened.Id, opened.Expires, Uploads(claims));
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
            Conflicts = HashesOf(PathVerdict.Other, PathVerdict.Own),
            Unverified = HashesOf(PathVerdict.Unread),
            Upstream = [.. boundaries.Order().Select(i => request.Paths[i].Path.Hash)],
            MissingLogs = [.. opened.MissingKeys.Where(logs.ContainsKey).Select(k => logs[k].Drv)],
            MissingRealisations = [.. opened.MissingKeys.Where(realisations.ContainsKey).Select(k => realisations[k].Id)],
        };

        StorePathHash[] HashesOf(params PathVerdict[] kept) => [.. opened.Paths
            .Where(p => VerdictOf(p) is { } verdict && kept.Contains(verdict)).Select(p => request.Paths[p.Index].Path.Hash)];

        bool IsKept(StorePathHash path) => !boundaries.Contains(closure.Index[path]);

        PathVerdict? VerdictOf(OpenedPath path) => verdicts.TryGetValue(path.Id, out var verdict) ? verdict : null;
    }

    private CacheProblemException? Refusal(OpenedPush opened)
    {
        Quotas.Check(opened.QuotaText, _caller);
        return opened.Outcome switch
        {
            OpenOutcome.Open => null,
            OpenOutcome.Reused => new(ProblemKind.KeyReused,
                "This Idempotency-Key belongs to a push of another closure. Use a new key."),
            OpenOutcome.Committing or OpenOutcome.Committed or OpenOutcome.Aborted or OpenOutcome.Lapsed => new(ProblemKind.PushEnded,
                $"The push that this Idempotency-Key opened ({opened.Id}) is {OutcomeText.Of(opened.Outcome)}. Use a new key to push again."),
            OpenOutcome.Quota => throw new UnreachableException("a quota is used up, and its text does not say so"),
        };
    }

    /// <exception cref="CacheProblemException">The push has ended, or is ended as it cannot go on.</exception>
    private async Task ThrowIfRefusedAsync(int cache, OwnPush push, List<Claim> claims, Dictionary<long, StorePathHash> hashes,
        CancellationToken cancellationToken)
    {
        if (claims.Exists(c => c.Status == ClaimStatus.Ended))
            throw Ended(PushRowState.Aborted, push.Id);
        var withdrawn = claims.Where(c => c.Status == ClaimStatus.Withdrawn).Select(c => hashes[c.Path]).ToList();
        var quota = claims.Find(c => c.Status == ClaimStatus.Quota)?.QuotaText;
        if (quota is null && withdrawn.Count == 0)
            return;
        await catalog.EndAsync(cache, push, cancellationToken);
        Quotas.Check(quota, _caller);
        throw Withdrawn(withdrawn);
    }

    /// <summary>
    /// Returns the verdicts on promised paths that are not known to be as this push declares them, and usable for it; by id.
    /// </summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Conflict"/>: the push cannot use a path as it is. The push has then
    /// ended.</exception>
    private async Task<Dictionary<long, PathVerdict>> CompareAsync(int cache, OwnPush push, Closure closure, OpenedPush opened,
        CancellationToken cancellationToken)
    {
        var doubtful = opened.Paths.Where(p => p.Promised
            && !(opened.CanUse(p) && p.Digest is { } digest && digest.AsSpan().SequenceEqual(closure.PathDigests[p.Index]))).ToList();
        if (doubtful.Count == 0)
            return [];
        var found = await catalog.CompareAsync(cache, push, [.. doubtful.Select(p => p.Id)],
            await DeclareAsync(closure, opened.Paths, doubtful, cancellationToken), isWhole: true, cancellationToken);
        if (found.FindIndex(f => f.Verdict == PathVerdict.Misnamed
            || (f.Verdict == PathVerdict.Other && closure.Request.Pin is not null)) is >= 0 and var at)
        {
            await catalog.EndAsync(cache, push, cancellationToken);
            throw Conflict([closure.Request.Paths[doubtful.Find(p => p.Id == found[at].Path)!.Index].Path.Hash], found[at].Publisher);
        }

        return found.Where(f => f.Verdict != PathVerdict.Same).ToDictionary(f => f.Path, f => f.Verdict);
    }

    private async Task<List<Claim>> ClaimAsync(CacheName cache, int cacheId, OwnPush push, Closure closure, OpenedPush opened,
        List<OpenedPath> missing, CancellationToken cancellationToken)
    {
        // What is live already is no upload's to wait for.
        var wanted = missing.Where(m => !m.Promised).ToList();
        var known = news is null || wanted.Count == 0 ? [] : await news.ClaimAsync(cache, push.Id, new UploadClaims(
            _caller.Group, _caller.Rank, verified.ReadsOthers && _caller.ReadsOthers, options.DefaultRate,
            [.. wanted.Select(m => closure.Request.Paths[m.Index])
                .Select(p => new WantedNar(p.Path.Hash, p.NarHash, p.NarSize))]), cancellationToken);
        var elsewhere = wanted.Zip(known).Where(w => w.Second is not null).ToDictionary(w => w.First.Id, w => w.Second!);
        List<Claim> claims = [];
        try
        {
            claims = await catalog.ClaimAsync(cacheId, push, [.. missing.Select(m => m.Id)],
                await DeclareAsync(closure, opened.Paths, missing, cancellationToken, elsewhere),
                MintKeys([.. missing.Select(m => closure.Request.Paths[m.Index].Path.Hash)]), options, cancellationToken);
        }
        finally
        {
            // What was noted as this push's, and it does not upload.
            var uploaded = claims.Where(c => c.Status == ClaimStatus.Upload).Select(c => c.Path).ToHashSet();
            var released = wanted.Where(w => !elsewhere.ContainsKey(w.Id) && !uploaded.Contains(w.Id)).ToList();
            if (known.Count > 0 && released.Count > 0)
                news!.Released(cache, push.Id, [.. released.Select(r => closure.Request.Paths[r.Index].Path.Hash)]);
        }

        if (elsewhere.Count > 0 && claims.TrueForAll(c => c.Path != 0))
            claims.AddRange(elsewhere.Select(e => Claim.Uploaded(e.Key, e.Value, 0)));
        return claims;
    }

    private async Task<Declaration[]> DeclareAsync(Closure closure, List<OpenedPath> paths, List<OpenedPath> missing,
        CancellationToken cancellationToken, Dictionary<long, Uploader>? elsewhere = null)
    {
        // 0: an upstream has it, and the declaration's boundaries are noted.
        var ids = new long[closure.Request.Paths.Count];
        foreach (var path in paths)
            ids[path.Index] = path.Id;
        var signatures = await signer.SignAsync([.. missing.Select(m => closure.Request.Paths[m.Index])
            .Select(path => (path, closure.References(path)))], cancellationToken);
        var declarations = new Declaration[missing.Count];
        Parallel.For(0, missing.Count, i =>
        {
            var path = closure.Request.Paths[missing[i].Index];
            declarations[i] = new Declaration(
                path.Path.Name, path.NarHash, path.NarSize,
                [.. path.References.Distinct().Select(r => ids[closure.Index[r]]).Where(id => id != 0).Order()],
                path.Deriver?.BaseName, path.Ca?.ToString(),
                signatures[i], closure.PathDigests[missing[i].Index], missing[i].Promised,
                elsewhere?.GetValueOrDefault(missing[i].Id) is { } uploader ? uploader.IsOwn ? Elsewhere.Own : Elsewhere.Other : null);
        });
        return declarations;
    }

    // A signature by an unknown key is taken from the path's own trust group only.
    private async Task AddSignaturesAsync(int cache, Closure closure, OpenedPush opened, Dictionary<long, PathVerdict> verdicts,
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
