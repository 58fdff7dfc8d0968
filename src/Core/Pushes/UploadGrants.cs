using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;

namespace OrleansCache.Core.Pushes;

/// <summary>Turns claims into URLs: one PUT for a small NAR, a multipart upload for a large one.</summary>
internal sealed class UploadGrants(CacheDirectory caches, CatalogDatabase database, IObjectStore store, PushOptions options)
{
    // S3 takes 10,000 parts; sizes are planned for 9,000, as a compressed file can be a little larger than the NAR.
    private const int PlannedParts = 9_000;
    private const int FirstParts = 32;
    private const int MaxFirstParts = 100;

    /// <summary>Whether small NARs of many grants may come in one request.</summary>
    public bool TakesBatches => store.IsLocal;

    private long SinglePutLimit => store.PutsOnce ? options.SinglePutLimit : -1;

    /// <summary>One grant per distinct object of the claims, and its id for each.</summary>
    public async Task<Dictionary<long, UploadGrant>> GrantAsync(int cache, OwnPush push, IReadOnlyList<Claim> claims,
        CancellationToken cancellationToken)
    {
        var uploads = claims.Where(c => c.Status == ClaimStatus.Upload).DistinctBy(c => c.Object).ToList();
        var multiparts = await OpenMultipartsAsync(cache, push, [.. uploads.Where(c => c.NarSize > SinglePutLimit && c.Multipart is null)],
            PartSize, cancellationToken);
        var secret = caches.SecretOf(cache);
        var grants = new UploadGrant?[uploads.Count];
        Parallel.For(0, uploads.Count, i =>
        {
            var claim = uploads[i];
            var multipart = claim.Multipart ?? multiparts.GetValueOrDefault(claim.Object);
            var grantId = new UploadGrantId(claim.Object, ObjectKey.Parse(claim.Key!), claim.NarHash, claim.NarSize, multipart);
            grants[i] = grantId.Multipart is null && grantId.NarSize > SinglePutLimit ? null
                : Sign(grantId.ToText(push.Id, secret), grantId, 1, FirstParts);
        });
        // A claim that has just ended gets no grant; a later 'wait' asks about its path again.
        return uploads.Zip(grants).Where(x => x.Second is not null).ToDictionary(x => x.First.Object, x => x.Second!);
    }

    /// <summary>
    /// The same for copies that the store makes. No client gets to write the key, so the grants have no URLs; in a bucket each has the
    /// multipart upload that its copy ends.
    /// </summary>
    public async Task<Dictionary<long, UploadGrant>> GrantCopiesAsync(int cache, OwnPush push, IReadOnlyList<Claim> claims,
        CancellationToken cancellationToken)
    {
        var uploads = claims.Where(c => c.Status == ClaimStatus.Upload).DistinctBy(c => c.Object).ToList();
        var multiparts = await OpenMultipartsAsync(cache, push, [.. uploads.Where(c => c.Multipart is null && !store.IsLocal)], PartSize,
            cancellationToken);
        var secret = caches.SecretOf(cache);
        return uploads
            .Select(c => new UploadGrantId(c.Object, ObjectKey.Parse(c.Key!), c.NarHash, c.NarSize,
                store.IsLocal ? null : c.Multipart ?? multiparts.GetValueOrDefault(c.Object)))
            .Where(g => store.IsLocal || g.Multipart is not null)
            .ToDictionary(g => g.Object, g => new UploadGrant
            {
                Id = g.ToText(push.Id, secret),
                Expires = DateTimeOffset.UtcNow + options.UrlLife,
            });
    }

    /// <summary>
    /// Multipart uploads, each with the URLs of its first parts, for niks3's clients: they cut NARs into parts of their own choice
    /// (<see cref="Niks3PartSize"/>), expect ETags and rarely ask for more URLs. No client writes a key by one PUT: they send none of the
    /// headers that keep a PUT's URL from being used twice. So a small NAR goes to the gateway, where <paramref name="singlePuts"/> says
    /// that the client takes that, and its grant has no parts.
    /// </summary>
    public async Task<Dictionary<long, (UploadGrantId GrantId, IReadOnlyList<Uri> Parts)>> GrantForNiks3Async(int cache, OwnPush push,
        IReadOnlyList<Claim> claims, bool singlePuts, CancellationToken cancellationToken)
    {
        var singlePut = singlePuts ? options.Niks3SinglePutLimit : 0;
        var uploads = claims.Where(c => c.Status == ClaimStatus.Upload).DistinctBy(c => c.Object).ToList();
        var multiparts = await OpenMultipartsAsync(cache, push, [.. uploads.Where(c => c.Multipart is null && c.NarSize > singlePut)],
            Niks3PartSize, cancellationToken);
        var grants = new (UploadGrantId, IReadOnlyList<Uri>)[uploads.Count];
        Parallel.For(0, uploads.Count, i =>
        {
            var claim = uploads[i];
            var grantId = new UploadGrantId(claim.Object, ObjectKey.Parse(claim.Key!), claim.NarHash, claim.NarSize, claim.Multipart
                ?? multiparts.GetValueOrDefault(claim.Object));
            var parts = ((claim.NarSize - 1) / Niks3PartSize(claim.NarSize)) + 1;
            grants[i] = (grantId, SignForNiks3(grantId, 1, (int)Math.Clamp(parts + (parts / 5), 2, MaxFirstParts)));
        });
        return uploads.Zip(grants).Where(x => x.Second.Item1.Multipart is not null || x.First.NarSize <= singlePut)
            .ToDictionary(x => x.First.Object, x => x.Second);
    }

    /// <summary>URLs of further parts; null when the grant has ended.</summary>
    public async Task<IReadOnlyList<Uri>?> RenewForNiks3Async(int cache, OwnPush push, UploadGrantId grantId, int first, int count,
        CancellationToken cancellationToken) =>
        await CurrentAsync(cache, push, grantId, options.Niks3Life, cancellationToken) is { Multipart: not null } current
            ? SignForNiks3(current, first, count) : null;

    /// <summary>Fresh URLs for a grant of this push; null when the grant has ended.</summary>
    public async Task<UploadGrant?> RenewAsync(int cache, OwnPush push, UploadGrantId grantId, int first, int count,
        CancellationToken cancellationToken) =>
        await CurrentAsync(cache, push, grantId, options.UrlLife, cancellationToken) is { } current
            ? Sign(current.ToText(push.Id, caches.SecretOf(cache)), current, first, count) : null;

    /// <summary>The grant, which lasts as long as a URL does from now on; null when it has ended.</summary>
    public Task<UploadGrantId?> ExtendAsync(int cache, OwnPush push, UploadGrantId grantId, CancellationToken cancellationToken) =>
        CurrentAsync(cache, push, grantId, options.UrlLife, cancellationToken);

    /// <summary>The largest file of a NAR: no compressor makes one this much larger.</summary>
    public static long MaxFile(long narSize) => narSize + (narSize / 8) + (64 << 10);

    private async Task<UploadGrantId?> CurrentAsync(int cache, OwnPush push, UploadGrantId grantId, TimeSpan life,
        CancellationToken cancellationToken)
    {
        var rows = await database.ListAsync(
            "select key, nar_hash, nar_size, multipart_id from @fn@.upload_urls($1, @fn@.push_of($1, $2, $3, $4), $5, $6)",
            p => p.With(cache).WithPush(push).With(grantId.Object).With(life),
            r => new UploadGrantId(grantId.Object, ObjectKey.Parse(r.GetString(0)), Nix.Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(1)),
                r.GetInt64(2), r.IsDBNull(3) ? null : r.GetString(3)), cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    // The gateway answers these URLs with ETags, as a bucket does.
    private IReadOnlyList<Uri> SignForNiks3(UploadGrantId grantId, int first, int count)
    {
        if (grantId.Multipart is null)
            return [];
        var urls = store.SignParts(grantId.Key, grantId.Multipart, Niks3PartSize(grantId.NarSize), first, count, options.Niks3Life);
        return store.IsLocal ? [.. urls.Select(u => new Uri(u.AbsoluteUri + DirectoryObjectStore.WithETag))] : urls;
    }

    // Ten MiB; when that makes more parts than planned, the smallest multiple of 16 MiB that does not.
    private static long Niks3PartSize(long narSize)
    {
        const long Smallest = 10 << 20, Step = 16 << 20, Largest = 5L << 30;
        var needed = (narSize + PlannedParts - 1) / PlannedParts;
        return needed <= Smallest ? Smallest : Math.Min((needed + Step - 1) / Step * Step, Largest);
    }

    private UploadGrant Sign(string id, UploadGrantId grantId, int first, int count)
    {
        if (grantId.Multipart is null)
        {
            var put = store.SignPut(grantId.Key, MaxFile(grantId.NarSize), options.UrlLife);
            return new UploadGrant
            {
                Id = id,
                Url = put.Url,
                Headers = put.Headers,
                Md5 = !store.IsLocal,
                ServerHashes = UploadCheck.Hashes(store, options),
                Expires = put.Expires
            };
        }

        var partSize = PartSize(grantId.NarSize);
        var planned = (int)(grantId.NarSize / partSize) + 2;
        return new UploadGrant
        {
            Id = id,
            PartSize = partSize,
            Md5 = !store.IsLocal,
            ServerHashes = UploadCheck.Hashes(store, options),
            Parts = store.SignParts(grantId.Key, grantId.Multipart, partSize, first,
                Math.Clamp(count, 1, Math.Max(planned - first + 1, Math.Min(count, 16))), options.UrlLife),
            Expires = DateTimeOffset.UtcNow + options.UrlLife,
        };
    }

    private long PartSize(long narSize)
    {
        const long MiB = 1 << 20;
        var needed = narSize / PlannedParts;
        return Math.Max(options.PartSize, (needed + MiB - 1) / MiB * MiB);
    }

    private async Task<Dictionary<long, string>> OpenMultipartsAsync(int cache, OwnPush push, IReadOnlyList<Claim> claims,
        Func<long, long> partSize, CancellationToken cancellationToken)
    {
        if (claims.Count == 0)
            return [];
        var opened = new string[claims.Count];
        await Parallel.ForAsync(0, claims.Count, new ParallelOptions
        {
            MaxDegreeOfParallelism = options.MultipartsAtOnce,
            CancellationToken = cancellationToken
        }, async (i, stop) =>
            opened[i] = await store.BeginMultipartAsync(ObjectKey.Parse(claims[i].Key!), partSize(claims[i].NarSize), stop));
        var noted = await database.ListAsync(
            "select object_id, multipart_id from @fn@.upload_multiparts(@fn@.push_of($1, $2, $3, $4), $5, $6)",
            p => p.With(cache).WithPush(push).With(claims.Select(c => c.Object).ToArray()).With(opened),
            r => (Object: r.GetInt64(0), Multipart: r.IsDBNull(1) ? null : r.GetString(1)), cancellationToken);
        for (var i = 0; i < noted.Count; i++)
        {
            if (noted[i].Multipart != opened[i])
                await store.AbortMultipartAsync(ObjectKey.Parse(claims[i].Key!), opened[i], cancellationToken);
        }

        return noted.Where(n => n.Multipart is not null).ToDictionary(n => n.Object, n => n.Multipart!);
    }
}
