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

    /// <summary>The narinfo and NAR of each path.</summary>
    public Task<List<(StorePathHash Path, ObjectKey Nar)>> KeysAsync(IReadOnlyList<long> paths, CancellationToken cancellationToken) =>
        _database.ListAsync(
            "select s.hash, o.key from store_path s join object o on o.id = s.objects[1] where s.id = any($1)",
            p => p.With(paths.ToArray()), r => (StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)),
                ObjectKey.Parse(r.GetString(1))), cancellationToken);
}
