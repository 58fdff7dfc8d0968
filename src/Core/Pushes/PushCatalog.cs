using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>The transitions of a push, typed: one method, one statement.</summary>
internal class PushCatalog(CatalogDatabase database)
{
    public virtual Task<OpenedPush> OpenAsync(int cache, Opening opening, CancellationToken cancellationToken) =>
        database.RunAsync(
            "select * from @fn@.open_push($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            p => p.With(cache).With(opening.Operation).With(opening.Digest).With(opening.Life)
                .With(opening.Paths.Select(h => h.ToArray()).ToArray()).With(opening.Roots).With(opening.Keys.ToArray())
                .WithNullable(opening.PinText, NpgsqlDbType.Jsonb)
                .With(opening.Push.Id.Value).With(opening.Push.Caller.Publisher).With(opening.Push.Caller.Group)
                    .With(opening.Push.Caller.Rank)
                .WithNullable(opening.Committers?.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(opening.Pin is null ? null : opening.PathDigests, NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                    .WithQuotas(opening.Quotas)
                .With(!opening.Push.Caller.ReadsOthers),
            ReadOpenedAsync,
            cancellationToken);

    /// <summary>Declares and claims; with <paramref name="declarations"/> null, claims again what was declared.</summary>
    public virtual Task<List<Claim>> ClaimAsync(
        int cache, OwnPush push, IReadOnlyList<long> paths, IReadOnlyList<Declaration>? declarations, IReadOnlyList<ObjectKey> keys,
        PushOptions options, CancellationToken cancellationToken) =>
        ClaimWithAsync(cache, push, paths, declarations, keys, options.UrlLife, options.DefaultRate, deferred: false,
            options.Quotas, cancellationToken);

    /// <summary>The same for a push that describes its paths later.</summary>
    protected Task<List<Claim>> ClaimWithAsync(
        int cache, OwnPush push, IReadOnlyList<long> paths, IReadOnlyList<Declaration>? declarations, IReadOnlyList<ObjectKey> keys,
        TimeSpan urlLife, long rate, bool deferred, Quotas quotas, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select * from @fn@.claim_paths($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, " +
                "$17, $18, $19, $20, $21, $22)",
            p => p.With(cache).WithPush(push).With(paths.ToArray())
                .WithNullable(declarations?.Select(d => d.Name).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations?.Select(d => d.NarHash.ToArray()).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                .WithNullable(declarations?.Select(d => d.NarSize).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint)
                .WithNullable(declarations?.Select(d => d.References.Count).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer)
                .WithNullable(declarations?.SelectMany(d => d.References).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint)
                .WithNullable(declarations?.Select(d => d.Deriver).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations?.Select(d => d.Ca).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations?.Select(d => d.Signatures).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations?.Select(d => d.Digest).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                .WithNullable(declarations?.Select(d => d.Supersedes).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Boolean)
                .With(keys.Select(k => k.ToString()).ToArray()).With(urlLife).With(rate).With(deferred).WithQuotas(quotas)
                .WithNullable(declarations?.Select(d => d.ElsewhereText).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .With(!push.Caller.ReadsOthers),
            r => ReadClaim(r, 0, "claim_paths"),
            cancellationToken);

    /// <summary>
    /// Returns the verdicts (see <c>publishers.sql</c>) on promised paths that are not known to be as declared, and the publishers of those
    /// paths.
    /// </summary>
    /// <param name="isWhole">The declarations include names and content addresses.</param>
    public Task<List<(long Path, PathVerdict Verdict, string? Publisher)>> CompareAsync(
        int cache, OwnPush push, IReadOnlyList<long> paths, IReadOnlyList<Declaration> declarations, bool isWhole,
        CancellationToken cancellationToken) =>
        database.ListAsync(
            "select path_id, verdict, publisher from @fn@.compare_paths($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10, $11, $12)",
            p => p.With(cache).WithPush(push).With(paths.ToArray())
                .WithNullable(isWhole ? declarations.Select(d => d.Name).ToArray() : null, NpgsqlDbType.Array | NpgsqlDbType.Text)
                .With(declarations.Select(d => d.NarHash.ToArray()).ToArray()).With(declarations.Select(d => d.NarSize).ToArray())
                .With(declarations.Select(d => d.References.Count).ToArray()).With(declarations.SelectMany(d => d.References).ToArray())
                .WithNullable(declarations.Select(d => d.Ca).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(isWhole ? declarations.Select(d => d.Digest).ToArray() : null, NpgsqlDbType.Array | NpgsqlDbType.Bytea),
            r => (r.GetInt64(0), OutcomeText.Parse<PathVerdict>("compare_paths", r.GetString(1)), r.IsDBNull(2) ? null : r.GetString(2)),
            cancellationToken);

    /// <summary>The present states of paths that the push waits for, in the order asked.</summary>
    public virtual Task<List<Claim>> WaitAsync(int cache, OwnPush push, IReadOnlyList<StorePathHash> paths, IReadOnlyList<ObjectKey> keys,
        PushOptions options, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select path_id, status, object_id, key, nar_hash, nar_size, multipart_id, uploader from @fn@.wait_paths($1, " +
                "@fn@.push_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10)",
            p => p.With(cache).WithPush(push).With(paths.Select(h => h.ToArray()).ToArray()).With(keys.Select(k => k.ToString()).ToArray())
                .With(options.UrlLife).With(options.DefaultRate).WithQuotas(options.Quotas).With(!push.Caller.ReadsOthers),
            r => ReadClaim(r, 0, "wait_paths"), cancellationToken);

    /// <param name="verified">The bytes of these uploads were read, and are the declared NARs.</param>
    public virtual Task<List<(long Upload, UploadOutcome Outcome)>> ReportAsync(
        int cache, OwnPush push, IReadOnlyList<CheckedUpload> uploads, IReadOnlyList<(StorePathHash Path, byte[] Content)> listings,
        IReadOnlyList<ExtraObject> extras, bool verified, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select * from @fn@.report_uploads($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, " +
                "$17, $18, $19)",
            p => p.With(cache).WithPush(push)
                .With(uploads.Select(u => u.GrantId.Object).ToArray()).With(uploads.Select(u => u.GrantId.Key.ToString()).ToArray())
                .With(uploads.Select(u => u.GrantId.NarHash.ToArray()).ToArray()).With(uploads.Select(u => u.FileHash?.ToArray()).ToArray())
                    .With(uploads.Select(u => u.FileSize).ToArray())
                .With(listings.Select(l => l.Path.ToArray()).ToArray()).With(listings.Select(l => l.Content).ToArray())
                .With(extras.Select(e => e.Key.ToString()).ToArray()).With(extras.Select(e => e.Kind).ToArray())
                .With(extras.Select(e => e.Content).ToArray()).With(extras.Select(e => e.Path.ToArray()).ToArray()).With(verified)
                .WithFindings(uploads),
            r => ReadUpload(r, 0, "report_uploads"),
            cancellationToken);

    /// <summary>Gives up claims of this push whose bytes have arrived and are wrong.</summary>
    public Task RefuseAsync(int cache, OwnPush push, IReadOnlyList<UploadGrantId> uploads, CancellationToken cancellationToken) =>
        database.RunAsync(
            "select @fn@.refuse_uploads($1, @fn@.push_of($1, $2, $3, $4), $5, $6, $7)",
            p => p.With(cache).WithPush(push).With(uploads.Select(u => u.Object).ToArray())
                .With(uploads.Select(u => u.Key.ToString()).ToArray()).With(uploads.Select(u => u.NarHash.ToArray()).ToArray()),
            cancellationToken);

    public virtual Task<Committed> CommitAsync(int cache, OwnPush push, TimeSpan lease, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select outcome, paths, published, pin, conflicts from @fn@.commit_push($1, @fn@.push_of($1, $2, $3, $4, true), $5, $3, $6, $7)",
            p => p.With(cache).WithPush(push).With(lease).WithAddress(push.Caller).With(!push.Caller.ReadsOthers),
            r => ReadCommitted(r, 0, "commit_push"),
            cancellationToken);

    public Task<(PushRowState State, DateTime? Expires, long[] Lost)> RenewAsync(int cache, OwnPush push, TimeSpan life,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select state, expires, lost from @fn@.renew_push($1, @fn@.push_of($1, $2, $3, $4), $5)",
            p => p.With(cache).WithPush(push).With(life),
            r => (OutcomeText.Parse<PushRowState>("renew_push", r.GetString(0)), r.IsDBNull(1) ? (DateTime?)null : r.GetDateTime(1),
                Array<long>(r, 2)),
            cancellationToken);

    /// <summary>Ends an open push.</summary>
    public Task<int> EndAsync(int cache, OwnPush push, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.end_pushes($1, @fn@.push_of($1, $2, $3, $4), '0', 1, $3, $5)", p => p.With(cache).WithPush(push)
            .WithAddress(push.Caller), r => r.GetInt32(0), cancellationToken);

    /// <summary>Ends up to <paramref name="limit"/> open pushes that lapsed so long ago.</summary>
    public Task<int> EndLapsedAsync(int cache, TimeSpan lapsed, int limit, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.end_pushes($1, null, $2, $3)", p => p.With(cache).With(lapsed).With(limit), r =>
            r.GetInt32(0), cancellationToken);

    public Task<PushRowState> StateAsync(int cache, OwnPush push, CancellationToken cancellationToken) =>
        database.RunAsync(
            "select state::text from push where cache_id = $1 and id = @fn@.push_of($1, $2, $3, $4, true)",
            p => p.With(cache).WithPush(push),
            async (r, stop) => await r.ReadAsync(stop) ? OutcomeText.Parse<PushRowState>("push.state", r.GetString(0))
                : PushRowState.Unknown,
            cancellationToken);

    /// <summary>The pin that rides on a push.</summary>
    public Task<PinName?> PinAsync(int cache, OwnPush push, CancellationToken cancellationToken) =>
        database.RunAsync<PinName?>(
            "select pin ->> 'name' from push where cache_id = $1 and id = @fn@.push_of($1, $2, $3, $4, true) and pin is not null",
            p => p.With(cache).WithPush(push),
            async (r, stop) => await r.ReadAsync(stop) ? PinName.Parse(r.GetString(0)) : null,
            cancellationToken);

    public Task<List<StorePathHash>> MissingAsync(int cache, Caller caller, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken) =>
        database.ListAsync(
            """
            select u.hash from unnest($2) with ordinality u(hash, ord)
            where not exists (select from store_path s where s.cache_id = $1 and s.hash = u.hash and s.state in ('live', 'condemned')
              and @fn@.is_told($1, $3, s.trust_group))
            order by u.ord
            """,
            p => p.With(cache).With(paths.Select(h => h.ToArray()).ToArray()).WithTold(caller), r =>
                StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancellationToken);

    /// <summary>Also of paths whose names are not known yet.</summary>
    public Task<List<StorePathHash>> HashesAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) =>
        database.ListAsync("select hash from store_path where id = any($1)", p => p.With(ids.ToArray()), r =>
            StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancellationToken);

    /// <summary>Those of the paths that are being deleted.</summary>
    public Task<List<StorePath>> DeletingAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select hash, name from store_path where id = any($1) and state = 'deleting'",
            p => p.With(ids.ToArray()), r => new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetString(1)),
                cancellationToken);

    public Task<List<(long Id, StorePath Path)>> PathsAsync(IReadOnlyList<long> ids, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select id, hash, name from store_path where id = any($1)",
            p => p.With(ids.ToArray()), r => (r.GetInt64(0), new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)),
                r.GetString(2))), cancellationToken);

    /// <summary>
    /// Those of the waiting (push, path) pairs whose wait is over: the path is live, its NAR has arrived, or its claim is free or overdue.
    /// </summary>
    public Task<List<(PushId Push, long Path)>> ArrivedAsync(int cache, IReadOnlyList<(PushId Push, long Path)> pairs, PushOptions options,
        CancellationToken cancellationToken) =>
        database.ListAsync(
            "select push, path_id from @fn@.arrived_paths($1, $2, $3, $4)",
            p => p.With(cache).With(pairs.Select(x => x.Push.Value).ToArray()).With(pairs.Select(x => x.Path).ToArray())
                .With(options.DefaultRate),
            r => (new PushId(r.GetGuid(0)), r.GetInt64(1)), cancellationToken);

    /// <summary>Those of the open multipart uploads under keys of this cache whose id no row has. Other keys are not ours.</summary>
    public Task<List<string>> UnknownMultipartsAsync(int cache, IReadOnlyList<OpenMultipart> open, CancellationToken cancellationToken) =>
        database.ListAsync(
            """
            select u.id from unnest($2, $3) u(key, id) join object o on o.cache_id = $1 and o.key = u.key
            where o.multipart_id is distinct from u.id
            """,
            p => p.With(cache).With(open.Select(m => m.Key.ToString()).ToArray()).With(open.Select(m => m.UploadId).ToArray()), r =>
                r.GetString(0), cancellationToken);

    protected static async Task<OpenedPush> ReadOpenedAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        await reader.ReadAsync(cancellationToken);
        var push = ReadOpened(reader, 0, "open_push");
        push.Paths.AddRange(ReadOpenedPaths(reader, 0));
        return push;
    }

    /// <summary>An opened push without its paths.</summary>
    protected static OpenedPush ReadOpened(NpgsqlDataReader r, int at, string function)
    {
        var quota = Quotas.TextOf(r.GetString(at + 1));
        return new(
            new PushId(r.GetGuid(at)),
            quota is null ? OutcomeText.Parse<OpenOutcome>(function, r.GetString(at + 1)) : OpenOutcome.Quota, quota,
            r.GetDateTime(at + 2), r.IsDBNull(at + 11) ? null : r.GetInt32(at + 11),
            !r.IsDBNull(at + 12) && r.GetBoolean(at + 12), [], [.. Array<string>(r, at + 10)]);
    }

    /// <summary>The states of paths, in the order of the row.</summary>
    protected static IEnumerable<OpenedPath> ReadOpenedPaths(NpgsqlDataReader r, int at)
    {
        string[] states = Array<string>(r, at + 4), signatures = Array<string>(r, at + 9);
        bool[] promised = Array<bool>(r, at + 5), verified = Array<bool>(r, at + 8);
        var digests = Array<byte[]?>(r, at + 6);
        var groups = Array<int?>(r, at + 7);
        return Array<long>(r, at + 3)
            .Select((id, i) => new OpenedPath(i, id, OutcomeText.Parse<NodeState>("open_push", states[i]), promised[i],
                digests[i], groups[i],
                verified[i], signatures[i]));
    }

    protected static T[] Array<T>(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? [] : r.GetFieldValue<T[]>(column);

    protected static Claim ReadClaim(NpgsqlDataReader r, int at, string function)
    {
        var quota = Quotas.TextOf(r.GetString(at + 1));
        return new(
            r.IsDBNull(at) ? 0 : r.GetInt64(at),
            quota is null ? OutcomeText.Parse<ClaimStatus>(function, r.GetString(at + 1)) : ClaimStatus.Quota, quota,
            r.IsDBNull(at + 2) ? 0 : r.GetInt64(at + 2), r.IsDBNull(at + 3) ? null : r.GetString(at + 3),
            r.IsDBNull(at + 4) ? default : Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(at + 4)),
            r.IsDBNull(at + 5) ? 0 : r.GetInt64(at + 5), r.IsDBNull(at + 6) ? null : r.GetString(at + 6),
            r.IsDBNull(at + 7) ? null : new PushId(r.GetGuid(at + 7)));
    }

    protected static (long Upload, UploadOutcome Outcome) ReadUpload(NpgsqlDataReader r, int at, string function) =>
        (r.IsDBNull(at) ? 0 : r.GetInt64(at), OutcomeText.Parse<UploadOutcome>(function, r.GetString(at + 1)));

    protected static Committed ReadCommitted(NpgsqlDataReader r, int at, string function) => new(
        OutcomeText.Parse<CommitOutcome>(function, r.GetString(at)), Array<long>(r, at + 1), r.IsDBNull(at + 2) ? 0 : r.GetInt32(at + 2),
        r.IsDBNull(at + 3) ? null : PinName.Parse(r.GetString(at + 3)), Array<long>(r, at + 4));
}
