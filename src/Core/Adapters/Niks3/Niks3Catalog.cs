using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Niks3;

/// <summary>
/// The transitions that only niks3's pushes use, typed: one method, one statement. Groups exclude them, as their times differ.
/// </summary>
internal sealed class Niks3Catalog(CatalogDatabase database) : PushCatalog(database)
{
    private readonly CatalogDatabase _database = database;

    /// <summary>Which of these are roots that are there; they are held, and pushed now. See <c>present_roots.sql</c>.</summary>
    public Task<List<StorePathHash>> PresentAsync(int cache, Caller caller, IReadOnlyCollection<StorePathHash> roots, TimeSpan life,
        CancellationToken cancellationToken) =>
        _database.ListAsync("select hash from @fn@.present_roots($1, $2, $3, $4, $5, $6, $7) hash",
            p => p.With(cache).WithCaller(caller).With(roots.Select(h => h.ToArray()).ToArray()).With(life).WithTold(caller),
            r => StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancellationToken);

    /// <summary>Opens a push of paths whose names are not known.</summary>
    /// <param name="roots">Positions of the roots, from 1.</param>
    public Task<OpenedPush> OpenAsync(int cache, OwnPush push, string operation, TimeSpan life, IReadOnlyList<StorePathHash> paths,
        int[] roots, Quotas quotas, CancellationToken cancellationToken) =>
        base.OpenAsync(cache, new Opening(operation, [], life, paths, roots, [], null, push, null, null, quotas), cancellationToken);

    /// <summary>As <see cref="PushCatalog.ClaimAsync"/>, but no upload of another push makes this one wait.</summary>
    public Task<List<Claim>> ClaimAllAsync(int cache, OwnPush push, IReadOnlyList<long> paths, IReadOnlyList<Declaration>? declarations,
        PushOptions options, CancellationToken cancellationToken) =>
        ClaimWithAsync(cache, push, paths, declarations, MintedKeys.Mint(paths.Count), options.Niks3Life, options.DefaultRate,
            deferred: true, options.Quotas, cancellationToken);

    /// <summary>Those of the objects that the cache lacks; null when the push has ended.</summary>
    public async Task<HashSet<ObjectKey>?> ExpectAsync(int cache, OwnPush push,
        IReadOnlyList<(ObjectKey Key, bool IsLog, long Path)> objects, CancellationToken cancellationToken)
    {
        var keys = await _database.ListAsync(
            "select key from @fn@.expect_objects($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7)",
            p => p.With(cache).WithPush(push).With(objects.Select(o => o.Key.ToString()).ToArray())
                .With(objects.Select(o => o.IsLog ? "log" : "realisation").ToArray())
                .With(objects.Select(o => o.Path).ToArray()),
            r => r.IsDBNull(0) ? null : r.GetString(0), cancellationToken);
        return keys.Contains(null) ? null : [.. keys.Select(k => ObjectKey.Parse(k!))];
    }

    /// <summary>In the order given; see <c>declare_paths.sql</c>.</summary>
    /// <param name="signatures">Of each path, space-separated.</param>
    public Task<List<(DeclareOutcome Outcome, string[] Signatures, bool Arrived)>> DeclareAsync(int cache, OwnPush push,
        IReadOnlyList<Niks3Declaration> paths, IReadOnlyList<string> signatures, CancellationToken cancellationToken) =>
        _database.ListAsync(
            "select outcome, signatures, arrived from @fn@.declare_paths($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10, $11, " +
                "$12, $13, $14, $15) order by ord",
            p => p.With(cache).WithPush(push)
                .With(paths.Select(d => d.Path.Path.Hash.ToArray()).ToArray()).With(paths.Select(d => d.Path.Path.Name).ToArray())
                .With(paths.Select(d => d.Path.NarHash.ToArray()).ToArray()).With(paths.Select(d => d.Path.NarSize).ToArray())
                .With(paths.SelectMany((d, i) => d.References.Select(_ => i + 1)).ToArray())
                    .With(paths.SelectMany(d => d.References.Select(r => r.Hash.ToArray())).ToArray())
                .WithNullable(paths.Select(d => d.Path.Deriver?.BaseName).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(paths.Select(d => d.Path.Ca?.ToString()).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .With(signatures.ToArray()).With(paths.Select(d => PathDigest.Of(d.Path)).ToArray())
                .With(paths.SelectMany(d => d.References.Select(r => r.Name)).ToArray()),
            r => (OutcomeText.Parse<DeclareOutcome>("declare_paths", r.GetString(0)), r.IsDBNull(1) ? [] : r.GetFieldValue<string[]>(1),
                !r.IsDBNull(2) && r.GetBoolean(2)),
            cancellationToken);

    /// <summary>The state of the object that this push claimed; null when there is no such claim.</summary>
    public Task<NodeState?> UploadStateAsync(int cache, OwnPush push, UploadGrantId grantId, CancellationToken cancellationToken) =>
        _database.RunAsync<NodeState?>(
            "select state::text from object where cache_id = $1 and claimed_by = @fn@.push_of($1, $2, $3, $4) and id = $5 and key = $6 " +
                "and nar_hash = $7 and (multipart_id is not distinct from nullif($8, '') or state <> 'claimed')",
            p => p.With(cache).WithPush(push).With(grantId.Object).With(grantId.Key.ToString()).With(grantId.NarHash.ToArray())
                .With(grantId.Multipart ?? ""),
            async (r, stop) => await r.ReadAsync(stop) ? OutcomeText.Parse<NodeState>("object.state", r.GetString(0)) : null,
            cancellationToken);

    public Task<bool> KeepListingAsync(int cache, PushId push, string operation, StorePathHash path, byte[] content,
        CancellationToken cancellationToken) =>
        _database.SingleAsync("select @fn@.keep_listing($1, @fn@.push_of($1, $2, null, true), $3, $4, $5)",
            p => p.With(cache).With(push.Value).With(operation).With(path.ToArray()).With(content), r => r.GetBoolean(0),
                cancellationToken);

    public Task<bool> KeepObjectAsync(int cache, PushId push, string operation, ObjectKey key, byte[] content,
        CancellationToken cancellationToken) =>
        _database.SingleAsync("select @fn@.keep_object($1, @fn@.push_of($1, $2, null, true), $3, $4, $5)",
            p => p.With(cache).With(push.Value).With(operation).With(key.ToString()).With(content), r => r.GetBoolean(0),
                cancellationToken);

    public Task<bool> IsOpenAsync(int cache, PushId push, string operation, CancellationToken cancellationToken) =>
        _database.SingleAsync("select @fn@.is_open($1, @fn@.push_of($1, $2, null, true), $3)", p => p.With(cache).With(push.Value)
            .With(operation), r => r.GetBoolean(0), cancellationToken);

    /// <summary>The NARs of paths.</summary>
    public Task<List<PathNar>> KeysAsync(IReadOnlyList<long> paths, CancellationToken cancellationToken) =>
        _database.ListAsync(
            "select s.id, s.hash, o.id, o.key, o.nar_hash, o.nar_size from store_path s join object o on o.id = s.objects[1] " +
                "where s.id = any($1)",
            p => p.With(paths.ToArray()),
            r => new PathNar(r.GetInt64(0), StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetInt64(2),
                ObjectKey.Parse(r.GetString(3)), Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(4)), r.GetInt64(5)), cancellationToken);

    /// <summary>Marks narinfos that the publisher is to write anew.</summary>
    public Task RewriteAsync(int cache, long[] paths, CancellationToken cancellationToken) =>
        _database.RunAsync("select @fn@.rewrite_paths($1, $2)", p => p.With(cache).With(paths), cancellationToken);

    /// <summary>Grants of NARs that the push is to bring again under their keys; see <c>restore.sql</c>.</summary>
    public Task<List<UploadGrantId>> AwaitAsync(int cache, OwnPush push, long[] objects, TimeSpan life,
        CancellationToken cancellationToken) =>
        _database.ListAsync(
            "select object_id, key, nar_hash, nar_size from @fn@.await_nars($1, @fn@.push_of($1, $2, $3, $4), $5, $6)",
            p => p.With(cache).WithPush(push).With(objects).With(life),
            r => new UploadGrantId(r.GetInt64(0), ObjectKey.Parse(r.GetString(1)), Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(2)),
                r.GetInt64(3), null), cancellationToken);

    public Task<bool> IsAwaitedAsync(int cache, OwnPush push, UploadGrantId grantId, CancellationToken cancellationToken) =>
        _database.SingleAsync("select @fn@.is_awaited($1, @fn@.push_of($1, $2, $3, $4), $5)",
            p => p.With(cache).WithPush(push).With(grantId.Object), r => r.GetBoolean(0), cancellationToken);

    public Task<bool> RestoredAsync(int cache, OwnPush push, CheckedUpload upload, CancellationToken cancellationToken) =>
        _database.SingleAsync("select @fn@.nar_restored($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7)",
            p => p.With(cache).WithPush(push).With(upload.GrantId.Object).With(upload.FileHash!.Value.ToArray()).With(upload.FileSize),
            r => r.GetBoolean(0), cancellationToken);
}

/// <param name="Path">Whose NAR it is, by its hash.</param>
/// <param name="Nar">The key of the NAR.</param>
internal sealed record PathNar(long Id, StorePathHash Path, long Object, ObjectKey Nar, Sha256Hash NarHash, long NarSize);
