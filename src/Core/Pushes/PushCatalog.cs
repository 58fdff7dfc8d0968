using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Objects;
using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Core.Pushes;

/// <summary>The transitions of a push, typed: one method, one statement.</summary>
internal class PushCatalog(CatalogDatabase database)
{
    public virtual Task<OpenedPush> OpenAsync(int cache, string operation, byte[] digest, TimeSpan life, IReadOnlyList<StorePath> paths, int[] roots, IReadOnlyList<string> keys, PushPin? pin, CancellationToken cancel) =>
        database.RunAsync(
            "select * from @fn@.open_push($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            p =>
            {
                p.With(cache).With(operation).With(digest).With(life)
                    .With(paths.Select(s => s.Hash.ToArray()).ToArray()).With(paths.Select(s => s.Name).ToArray()).With(roots).With(keys.ToArray())
                    .WithNullable(pin is null ? null : JsonSerializer.Serialize(pin, ProtocolJson.Default.PushPin), NpgsqlDbType.Jsonb);
            },
            ReadOpenedAsync,
            cancel);

    /// <summary>Declares and claims; with <paramref name="declarations"/> null, claims again what was declared.</summary>
    public virtual Task<List<Claim>> ClaimAsync(
        int cache, PushId push, IReadOnlyList<long> paths, IReadOnlyList<Declaration>? declarations, IReadOnlyList<ObjectKey> keys, PushOptions options, CancellationToken cancel) =>
        ClaimWithAsync(cache, push, paths, declarations, keys, options.UrlLife, options.DefaultRate, deferred: false, cancel);

    /// <summary>The same for a push that describes its paths later.</summary>
    protected Task<List<Claim>> ClaimWithAsync(
        int cache, PushId push, IReadOnlyList<long> paths, IReadOnlyList<Declaration>? declarations, IReadOnlyList<ObjectKey> keys, TimeSpan urlLife, long rate, bool deferred, CancellationToken cancel) =>
        database.ListAsync(
            "select * from @fn@.claim_paths($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            p => p.With(cache).With(push.Value).With(paths.ToArray())
                .WithNullable(declarations?.Select(d => d.NarHash.ToArray()).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                .WithNullable(declarations?.Select(d => d.NarSize).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint)
                .WithNullable(declarations?.Select(d => d.References.Count).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer)
                .WithNullable(declarations?.SelectMany(d => d.References).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint)
                .WithNullable(declarations?.Select(d => d.Deriver).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations?.Select(d => d.Ca).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations?.Select(d => d.Signatures).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .With(keys.Select(k => k.ToString()).ToArray()).With(urlLife).With(rate).With(deferred),
            r => ReadClaim(r, 0),
            cancel);

    /// <summary>What has become of paths that the push waits for, in the order asked; status <c>present</c> or as for <see cref="ClaimAsync"/>.</summary>
    public virtual Task<List<Claim>> WaitAsync(int cache, PushId push, IReadOnlyList<StorePathHash> paths, IReadOnlyList<ObjectKey> keys, PushOptions options, CancellationToken cancel) =>
        database.ListAsync(
            "select path_id, status, object_id, key, nar_hash, nar_size, multipart_id, uploader from @fn@.wait_paths($1, $2, $3, $4, $5, $6)",
            p => p.With(cache).With(push.Value).With(paths.Select(h => h.ToArray()).ToArray()).With(keys.Select(k => k.ToString()).ToArray())
                .With(options.UrlLife).With(options.DefaultRate),
            r => ReadClaim(r, 0), cancel);

    public virtual Task<List<(long Upload, string Outcome)>> ReportAsync(int cache, PushId push, IReadOnlyList<CheckedUpload> uploads, IReadOnlyList<(StorePathHash Path, byte[] Content)> listings,
        IReadOnlyList<ExtraObject> extras, CancellationToken cancel) =>
        database.ListAsync(
            "select * from @fn@.report_uploads($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            p => p.With(cache).With(push.Value)
                .With(uploads.Select(u => u.Token.Object).ToArray()).With(uploads.Select(u => u.Token.Key.ToString()).ToArray())
                .With(uploads.Select(u => u.Token.NarHash.ToArray()).ToArray()).With(uploads.Select(u => u.FileHash?.ToArray()).ToArray()).With(uploads.Select(u => u.FileSize).ToArray())
                .With(listings.Select(l => l.Path.ToArray()).ToArray()).With(listings.Select(l => l.Content).ToArray())
                .With(extras.Select(e => e.Key.ToString()).ToArray()).With(extras.Select(e => e.Kind).ToArray())
                .With(extras.Select(e => e.Content).ToArray()).With(extras.Select(e => e.Path.ToArray()).ToArray()),
            r => (r.IsDBNull(0) ? 0 : r.GetInt64(0), r.GetString(1)),
            cancel);

    /// <summary>Gives up claims of this push whose bytes have arrived and are wrong.</summary>
    public Task RefuseAsync(int cache, PushId push, IReadOnlyList<UploadToken> uploads, CancellationToken cancel) =>
        database.RunAsync(
            "select @fn@.refuse_uploads($1, $2, $3, $4, $5)",
            p => p.With(cache).With(push.Value).With(uploads.Select(u => u.Object).ToArray()).With(uploads.Select(u => u.Key.ToString()).ToArray()).With(uploads.Select(u => u.NarHash.ToArray()).ToArray()),
            cancel);

    public virtual Task<Committed> CommitAsync(int cache, PushId push, TimeSpan lease, CancellationToken cancel) =>
        database.SingleAsync(
            "select outcome, paths, published, pin from @fn@.commit_push($1, $2, $3)",
            p => p.With(cache).With(push.Value).With(lease),
            r => ReadCommitted(r, 0),
            cancel);

    public Task<string> FinishAsync(int cache, PushId push, CancellationToken cancel) =>
        database.SingleAsync("select @fn@.finish_push($1, $2)", p => p.With(cache).With(push.Value), r => r.GetString(0), cancel);

    public Task<(string State, DateTime? Expires, long[] Lost)> RenewAsync(int cache, PushId push, TimeSpan life, CancellationToken cancel) =>
        database.SingleAsync(
            "select state, expires, lost from @fn@.renew_push($1, $2, $3)",
            p => p.With(cache).With(push.Value).With(life),
            r => (r.GetString(0), r.IsDBNull(1) ? (DateTime?)null : r.GetDateTime(1), r.IsDBNull(2) ? [] : r.GetFieldValue<long[]>(2)),
            cancel);

    /// <summary>Ends one open push, or (null) up to <paramref name="limit"/> that lapsed so long ago.</summary>
    public Task<int> EndAsync(int cache, PushId? push, TimeSpan lapsed, int limit, CancellationToken cancel) =>
        database.SingleAsync("select @fn@.end_pushes($1, $2, $3, $4)", p => p.With(cache).WithNullable(push?.Value, NpgsqlDbType.Bigint).With(lapsed).With(limit), r => r.GetInt32(0), cancel);

    /// <summary>State and number of published paths; null when there is no such push.</summary>
    public Task<(string State, int Published)?> StateAsync(int cache, PushId push, CancellationToken cancel) =>
        database.RunAsync<(string, int)?>(
            "select state::text, published from push where id = $1 and cache_id = $2",
            p => p.With(push.Value).With(cache),
            async (r, stop) => await r.ReadAsync(stop) ? (r.GetString(0), r.GetInt32(1)) : null,
            cancel);

    /// <summary>The pin that rides on a push.</summary>
    public Task<PinName?> PinAsync(int cache, PushId push, CancellationToken cancel) =>
        database.RunAsync<PinName?>(
            "select pin ->> 'name' from push where id = $1 and cache_id = $2 and pin is not null",
            p => p.With(push.Value).With(cache),
            async (r, stop) => await r.ReadAsync(stop) ? PinName.Parse(r.GetString(0)) : null,
            cancel);

    public Task<List<StorePathHash>> MissingAsync(int cache, IReadOnlyList<StorePathHash> paths, CancellationToken cancel) =>
        database.ListAsync(
            """
            select u.hash from unnest($2) with ordinality u(hash, ord)
            where not exists (select from store_path s where s.cache_id = $1 and s.hash = u.hash and s.state in ('live', 'condemned'))
            order by u.ord
            """,
            p => p.With(cache).With(paths.Select(h => h.ToArray()).ToArray()), r => StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancel);

    /// <summary>Also of paths whose names are not known yet.</summary>
    public Task<List<StorePathHash>> HashesAsync(IReadOnlyList<long> ids, CancellationToken cancel) =>
        database.ListAsync("select hash from store_path where id = any($1)", p => p.With(ids.ToArray()), r => StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancel);

    public Task<List<(long Id, StorePath Path)>> PathsAsync(IReadOnlyList<long> ids, CancellationToken cancel) =>
        database.ListAsync(
            "select id, hash, name from store_path where id = any($1)",
            p => p.With(ids.ToArray()), r => (r.GetInt64(0), new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetString(2))), cancel);

    /// <summary>Of (push, path) pairs that wait: those that need not any longer, because the path is live, its NAR has arrived, or its claim is free or overdue.</summary>
    public Task<List<(long Push, long Path)>> ArrivedAsync(IReadOnlyList<(long Push, long Path)> pairs, PushOptions options, CancellationToken cancel) =>
        database.ListAsync(
            """
            select u.push, u.path from unnest($1, $2) u(push, path)
            left join push_path d on d.push_id = u.push and d.path_id = u.path
            left join store_path s on s.id = u.path
            where d.path_id is null or s.state = 'live'
              or not exists (select from object o where o.cache_id = s.cache_id and o.kind = 'nar' and o.nar_hash = d.nar_hash
                             and o.state = 'claimed' and o.exclusive and o.claimed_by <> u.push
                             and o.claimed_at + make_interval(secs => greatest(10, 2 * o.nar_size / $3::float8)) >= clock_timestamp()
                             and exists (select from push c where c.id = o.claimed_by and c.state = 'open' and c.expires >= clock_timestamp()))
              or exists (select from object o where o.cache_id = s.cache_id and o.kind = 'nar' and o.nar_hash = d.nar_hash and o.state in ('stored', 'live', 'condemned'))
            """,
            p => p.With(pairs.Select(x => x.Push).ToArray()).With(pairs.Select(x => x.Path).ToArray()).With((double)options.DefaultRate),
            r => (r.GetInt64(0), r.GetInt64(1)), cancel);

    /// <summary>Of open multipart uploads under keys of this cache: the ids that no row knows. Other keys are somebody else's.</summary>
    public Task<List<string>> UnknownMultipartsAsync(int cache, IReadOnlyList<OpenMultipart> open, CancellationToken cancel) =>
        database.ListAsync(
            """
            select u.id from unnest($2, $3) u(key, id) join object o on o.cache_id = $1 and o.key = u.key
            where o.multipart_id is distinct from u.id
            """,
            p => p.With(cache).With(open.Select(m => m.Key.ToString()).ToArray()).With(open.Select(m => m.UploadId).ToArray()), r => r.GetString(0), cancel);

    public Task AddSignaturesAsync(int cache, IReadOnlyList<(long Path, string Signatures)> added, CancellationToken cancel) =>
        database.RunAsync(
            "select @fn@.add_signatures($1, $2, $3)",
            p => p.With(cache).With(added.Select(a => a.Path).ToArray()).With(added.Select(a => a.Signatures).ToArray()), cancel);

    protected static async Task<OpenedPush> ReadOpenedAsync(NpgsqlDataReader reader, CancellationToken cancel)
    {
        await reader.ReadAsync(cancel);
        var push = ReadOpened(reader, 0);
        push.Paths.AddRange(ReadOpenedPaths(reader, 0));
        return push;
    }

    /// <summary>An opened push without its paths.</summary>
    protected static OpenedPush ReadOpened(NpgsqlDataReader r, int at) => new(new PushId(r.GetInt64(at)), r.GetString(at + 1), r.GetDateTime(at + 2), [], [.. Array<string>(r, at + 8)]);

    /// <summary>What has become of paths, in the order of the row.</summary>
    protected static IEnumerable<OpenedPath> ReadOpenedPaths(NpgsqlDataReader r, int at)
    {
        string[] states = Array<string>(r, at + 4), signatures = Array<string>(r, at + 7);
        var promised = Array<bool>(r, at + 5);
        var narHashes = Array<byte[]?>(r, at + 6);
        return Array<long>(r, at + 3).Select((id, i) => new OpenedPath(i, id, states[i], promised[i], narHashes[i], signatures[i]));
    }

    protected static T[] Array<T>(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? [] : r.GetFieldValue<T[]>(column);

    protected static Claim ReadClaim(NpgsqlDataReader r, int at) => new(
        r.IsDBNull(at) ? 0 : r.GetInt64(at), r.GetString(at + 1), r.IsDBNull(at + 2) ? 0 : r.GetInt64(at + 2), r.IsDBNull(at + 3) ? null : r.GetString(at + 3),
        r.IsDBNull(at + 4) ? default : Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(at + 4)), r.IsDBNull(at + 5) ? 0 : r.GetInt64(at + 5), r.IsDBNull(at + 6) ? null : r.GetString(at + 6),
        r.IsDBNull(at + 7) ? null : new PushId(r.GetInt64(at + 7)));

    protected static Committed ReadCommitted(NpgsqlDataReader r, int at) => new(
        r.GetString(at), r.IsDBNull(at + 1) ? [] : r.GetFieldValue<long[]>(at + 1), r.IsDBNull(at + 2) ? 0 : r.GetInt32(at + 2), r.IsDBNull(at + 3) ? null : PinName.Parse(r.GetString(at + 3)));
}

/// <summary>Positional parameters, one after the other.</summary>
internal static class ParameterExtensions
{
    public static NpgsqlParameterCollection With<T>(this NpgsqlParameterCollection parameters, T value)
    {
        parameters.Add(new NpgsqlParameter<T> { TypedValue = value });
        return parameters;
    }

    public static NpgsqlParameterCollection WithNullable(this NpgsqlParameterCollection parameters, object? value, NpgsqlDbType type)
    {
        parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value, NpgsqlDbType = type });
        return parameters;
    }
}

/// <param name="State">A push_state, or <c>reused</c>.</param>
internal sealed record OpenedPush(PushId Id, string State, DateTime Expires, List<OpenedPath> Paths, List<string> MissingKeys);

/// <param name="Index">Position in the request.</param>
/// <param name="Signatures">Separated by spaces.</param>
internal sealed record OpenedPath(int Index, long Id, string State, bool Promised, byte[]? NarHash, string Signatures);

/// <summary>A path's declared content, with references as ids.</summary>
internal sealed record Declaration(Sha256Hash NarHash, long NarSize, IReadOnlyList<long> References, string? Deriver, string? Ca, string Signatures);

/// <param name="Status"><c>stored</c>, <c>upload</c>, <c>wait</c>, or <c>ended</c> for the push.</param>
/// <param name="Uploader">With <c>wait</c>: the push that uploads the NAR just now; null when the path is waited for in another way.</param>
internal sealed record Claim(long Path, string Status, long Object, string? Key, Sha256Hash NarHash, long NarSize, string? Multipart, PushId? Uploader);

/// <param name="Outcome">See <c>commit_push.sql</c>.</param>
/// <param name="Paths">With <c>missing</c> and <c>busy</c>: which.</param>
/// <param name="Pin">The pin that the commit sets.</param>
internal sealed record Committed(string Outcome, long[] Paths, int Published, PinName? Pin);

/// <param name="FileHash">Null: nobody has told it, and we have not computed it.</param>
internal sealed record CheckedUpload(UploadToken Token, Sha256Hash? FileHash, long FileSize);

/// <param name="Kind"><c>log</c> or <c>realisation</c>.</param>
internal sealed record ExtraObject(ObjectKey Key, string Kind, byte[] Content, StorePathHash Path);
