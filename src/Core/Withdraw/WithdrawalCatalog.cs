using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Withdraw;

/// <summary>The steps of a withdrawal, typed: one method, one statement. <c>withdraw.sql</c> has their order.</summary>
internal sealed class WithdrawalCatalog(CatalogDatabase database)
{
    private const int MaxNamed = 1_000;
    // Rows in one read without locks: a second or so.
    private const long Piece = 200_000;
    private const string Columns = "e.id, e.digest, e.paths, e.found, e.objects, e.closed, e.finished is not null";
    private const string PublisherName = "coalesce(b.name, 'legacy')";

    public Task<List<PublishedRow>> PathsAsync(int cache, string publisher, DateTimeOffset? since, long after, int limit,
        CancellationToken cancellationToken) => database.ListAsync(
        $"""
        select s.id, s.hash, s.name, {PublisherName}, s.declared_at, s.state::text, s.nar_hash, s.nar_size from store_path s left join publisher b on b.id = s.publisher
        where s.cache_id = $1 and s.id > $3 and s.state in ('publishing', 'live', 'condemned') and @fn@.is_by($1, s.publisher, $2) and ($5::timestamptz is null or s.declared_at >= $5) order by s.id limit $4
        """,
        p => p.With(cache).With(publisher).With(after).With(limit).WithNullable(since?.UtcDateTime, NpgsqlDbType.TimestampTz),
        r => new PublishedRow(r.GetInt64(0), new PublishedPath
        {
            Path = ReadPath(r, 1),
            Publisher = r.GetString(3),
            Published = Time(r, 4),
            State = r.GetString(5),
            NarHash = Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(6)),
            NarSize = r.GetInt64(7),
        }), cancellationToken);

    public Task<List<StorePathHash>> UnknownAsync(int cache, IReadOnlyList<StorePathHash> paths, CancellationToken cancellationToken) =>
        database.ListAsync(
        "select u.hash from unnest($2) u(hash) where not exists (select from store_path s where s.cache_id = $1 and s.hash = u.hash and " +
            "s.nar_hash is not null)",
        p => p.With(cache).With(paths.Select(h => h.ToArray()).ToArray()), r =>
            StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancellationToken);

    public Task<List<(long Id, bool Chosen)>> SelectAsync(int cache, EvictRequest request, CancellationToken cancellationToken) =>
        database.ListAsync(
        "select id, chosen from @fn@.withdraw_select($1, $2, $4, $5, $3) order by id",
        p => p.With(cache).With((request.Paths ?? []).Select(h => h.ToArray()).ToArray()).With(request.Nar)
            .WithNullable(request.By, NpgsqlDbType.Text).WithNullable(request.Since?.UtcDateTime, NpgsqlDbType.TimestampTz),
        r => (r.GetInt64(0), r.GetBoolean(1)), cancellationToken);

    public async Task<EvictionRow?> FindAsync(int cache, string operation, CancellationToken cancellationToken) =>
        (await database.ListAsync($"select {Columns} from eviction e where e.cache_id = $1 and e.operation = $2", p => p.With(cache)
            .With(operation), Read, cancellationToken)).FirstOrDefault();

    public Task<EvictionRow> FindAsync(long id, CancellationToken cancellationToken) =>
        database.SingleAsync($"select {Columns} from eviction e where e.id = $1", p => p.With(id), Read, cancellationToken);

    public Task<EvictionRow> StartAsync(int cache, string operation, byte[] digest, IReadOnlyList<(long Id, bool Chosen)> selected,
        bool nar, string? of, string? reason, Caller caller, TimeSpan lease, CancellationToken cancellationToken) =>
        database.SingleAsync($"select {Columns} from @fn@.withdraw_start($1, $2, $3, $4, $5, $6, $11, $10, $7, $9, $8) e",
            p => p.With(cache).With(operation).With(digest).With(selected.Select(s => s.Id).ToArray())
                .With(selected.Where(s => s.Chosen).Select(s => s.Id).ToArray()).With(nar)
                .With(caller.Publisher).With(lease).WithAddress(caller).WithNullable(reason, NpgsqlDbType.Text)
                    .WithNullable(of, NpgsqlDbType.Text),
            Read, cancellationToken);

    /// <summary>Ids of evictions that no server goes on with; the caller has their lease.</summary>
    public Task<List<long>> AdoptAsync(int cache, TimeSpan lease, CancellationToken cancellationToken) =>
        database.ListAsync("select * from @fn@.withdraw_adopt($1, $2)", p => p.With(cache).With(lease), r => r.GetInt64(0),
            cancellationToken);

    /// <summary>Extends the lease; zero ends it.</summary>
    public Task LeaseAsync(long id, TimeSpan lease, CancellationToken cancellationToken) =>
        database.RunAsync("update eviction set lease = clock_timestamp() + $2 where id = $1 and finished is null", p =>
            p.With(id).With(lease), cancellationToken);

    /// <summary>Bars more paths that have a bad NAR, with a barrier of their own.</summary>
    public Task BarAsync(int cache, long id, IReadOnlyCollection<long> paths, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.withdraw_bar($1, $2, $3)", p => p.With(cache).With(id).With(paths.ToArray()), cancellationToken);

    public Task<List<PushId>> WaitsAsync(int cache, long id, CancellationToken cancellationToken) =>
        database.ListAsync("select * from @fn@.withdraw_waits($1, $2)", p => p.With(cache).With(id), r => new PushId(r.GetGuid(0)),
            cancellationToken);

    /// <summary>All paths that reach these by references, without these.</summary>
    public async Task<List<long>> ReferrersAsync(int cache, IReadOnlyCollection<long> paths, CancellationToken cancellationToken)
    {
        var (known, found, level) = (paths.ToHashSet(), new List<long>(), paths.ToArray());
        while (level.Length > 0)
        {
            var next = await ScanAsync("select * from @fn@.withdraw_referrers($1, $2, $3, $4)", cache, level, r => r.GetInt64(0),
                cancellationToken);
            level = [.. next.Where(known.Add)];
            found.AddRange(level);
        }

        return found;
    }

    public Task AddAsync(long id, IReadOnlyCollection<long> found, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.withdraw_add($1, $2)", p => p.With(id).With(found.ToArray()), cancellationToken);

    public Task CloseAsync(long id, int count, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.withdraw_close($1, $2)", p =>
        p.With(id).With(count), cancellationToken);

    /// <summary>
    /// The rest of the eviction's paths, with their references. Paths that came back meanwhile have a stamp above its barrier.
    /// </summary>
    public async Task<Dictionary<long, long[]>> RestAsync(long id, CancellationToken cancellationToken) => (await database.ListAsync(
        "select s.id, s.refs from eviction e join store_path s on s.id = any(e.found) where e.id = $1 and s.touched <= e.g and s.state " +
            "in ('live', 'condemned')",
        p => p.With(id), r => (Id: r.GetInt64(0), References: r.GetFieldValue<long[]>(1)), cancellationToken))
        .ToDictionary(r => r.Id, r => r.References);

    public Task CondemnAsync(int cache, long id, long[] paths, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.withdraw_condemn($1, $2, $3)", p => p.With(cache).With(id).With(paths), cancellationToken);

    public Task SweepAsync(int cache, long id, long[] paths, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.withdraw_sweep($1, $2, $3)", p => p.With(cache).With(id).With(paths), cancellationToken);

    /// <summary>Paths that have these NARs, and are not barred yet.</summary>
    public Task<List<long>> UsersAsync(int cache, IReadOnlyCollection<long> objects, CancellationToken cancellationToken) =>
        ScanAsync("select * from @fn@.withdraw_users($1, $2, $3, $4)", cache, objects, r => r.GetInt64(0), cancellationToken);

    /// <summary>Those of these NARs that a path has, in any state but gone.</summary>
    public Task<List<long>> UsedAsync(int cache, IReadOnlyCollection<long> objects, CancellationToken cancellationToken) =>
        ScanAsync("select * from @fn@.withdraw_used($1, $2, $3, $4)", cache, objects, r => r.GetInt64(0), cancellationToken);

    /// <summary>The NARs that paths have.</summary>
    public Task<List<long>> ObjectsAsync(IReadOnlyCollection<long> paths, CancellationToken cancellationToken) =>
        database.ListAsync("select distinct s.objects[1] from store_path s where s.id = any($1) and s.objects <> '{}'", p =>
            p.With(paths.ToArray()), r => r.GetInt64(0), cancellationToken);

    public Task TakeObjectsAsync(int cache, long id, IReadOnlyCollection<long> used, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.withdraw_objects($1, $2, $3)", p => p.With(cache).With(id).With(used.ToArray()), cancellationToken);

    /// <summary>False: the bucket still has something of it.</summary>
    public async Task<bool> EndAsync(int cache, long id, CancellationToken cancellationToken) =>
        (await database.ListAsync("select * from @fn@.withdraw_end($1, $2)", p => p.With(cache).With(id), r => !r.IsDBNull(0),
            cancellationToken))
            .Contains(true);

    public Task<List<EvictedPath>> DescribeAsync(IReadOnlyList<long> all, IReadOnlyList<long> named, IReadOnlyList<long> selected,
        CancellationToken cancellationToken) => database.ListAsync(
        $"""
        select s.hash, s.name, {PublisherName}, s.declared_at, s.id = any($3), s.id = any($2) from store_path s left join publisher b on b.id = s.publisher
        where s.id = any($1) order by s.id = any($3) desc, s.id = any($2) desc, s.name, s.id limit $4
        """,
        p => p.With(all.ToArray()).With(named.ToArray()).With(selected.ToArray()).With(MaxNamed),
        r => new EvictedPath(ReadPath(r, 0), r.GetString(2), Time(r, 3), r.GetBoolean(4) ? EvictionCause.Selected : r.GetBoolean(5)
            ? EvictionCause.Nar : EvictionCause.Reference), cancellationToken);

    /// <summary>Those of the paths an eviction began with that have a bar of their own.</summary>
    public Task<List<long>> ChosenAsync(int cache, IReadOnlyList<long> paths, CancellationToken cancellationToken) =>
        database.ListAsync("select distinct b.path_id from bar b where b.cache_id = $1 and b.path_id = any($2)", p => p.With(cache)
            .With(paths.ToArray()), r => r.GetInt64(0), cancellationToken);

    public Task<List<BrokenPin>> PinsAsync(int cache, IReadOnlyList<long> paths, CancellationToken cancellationToken) => database.ListAsync(
        """select p.name, s.hash, s.name from pin p join store_path s on s.id = p.path_id where p.cache_id = $1 and not p.deleted and p.path_id = any($2) order by p.name collate "C" """,
        p => p.With(cache).With(paths.ToArray()), r => new BrokenPin(PinName.Parse(r.GetString(0)), ReadPath(r, 1)), cancellationToken);

    public Task<List<Bar>> BarsAsync(int cache, bool liftedToo, CancellationToken cancellationToken) => database.ListAsync(
        """
        select b.id, s.hash, s.name, b.nar_hash, b.by_nar, b.reason, b.created_by, b.created, b.lifted, b.lifted_by from bar b join store_path s on s.id = b.path_id
        where b.cache_id = $1 and (b.lifted is null or $2) order by b.id desc
        """,
        p => p.With(cache).With(liftedToo),
        r => new Bar
        {
            Id = r.GetInt64(0),
            Path = ReadPath(r, 1),
            NarHash = Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(3)),
            Nar = r.GetBoolean(4),
            Reason = r.IsDBNull(5) ? null : r.GetString(5),
            CreatedBy = r.GetString(6),
            Created = r.GetDateTime(7),
            Lifted = Time(r, 8),
            LiftedBy = r.IsDBNull(9) ? null : r.GetString(9),
        }, cancellationToken);

    /// <summary>False: there never was such a bar.</summary>
    public Task<bool> LiftAsync(int cache, long bar, Caller caller, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.withdraw_lift($1, $2, $3, $4)", p => p.With(cache).With(bar).With(caller.Publisher)
            .WithAddress(caller), r => r.GetBoolean(0), cancellationToken);

    private async Task<List<T>> ScanAsync<T>(string sql, int cache, IReadOnlyCollection<long> wanted, Func<NpgsqlDataReader, T> read,
        CancellationToken cancellationToken)
    {
        var found = new List<T>();
        if (wanted.Count == 0)
            return found;
        var last = await database.SingleAsync("select coalesce(max(id), 0) from store_path", static _ => { }, r => r.GetInt64(0),
            cancellationToken);
        for (long after = 0; after < last; after += Piece)
        {
            var (from, to) = (after, after + Piece);
            found.AddRange(await database.ListAsync(sql, p => p.With(cache).With(wanted.ToArray()).With(from).With(to), read,
                cancellationToken));
        }

        return found;
    }

    private static EvictionRow Read(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetFieldValue<byte[]>(1), r.GetFieldValue<long[]>(2), r.GetFieldValue<long[]>(3), r.GetFieldValue<long[]>(4),
        r.GetBoolean(5), r.GetBoolean(6));

    private static StorePath ReadPath(NpgsqlDataReader r, int at) => new(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(at)),
        r.GetString(at + 1));

    private static DateTimeOffset? Time(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : r.GetDateTime(at);
}

/// <param name="Digest">The digest of the request.</param>
/// <param name="Paths">The paths that it began with.</param>
/// <param name="Found">Those paths with all known referrers.</param>
/// <param name="Objects">The NARs of <paramref name="Paths"/>.</param>
/// <param name="IsClosed">All referrers are known.</param>
internal sealed record EvictionRow(long Id, byte[] Digest, long[] Paths, long[] Found, long[] Objects, bool IsClosed, bool IsFinished);

internal sealed record PublishedRow(long Id, PublishedPath Path)
{
    public string Cursor => Id.ToString(CultureInfo.InvariantCulture);
}
