using System.Globalization;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Publish;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

/// <summary>The catalog as a check reads it: rows by key, and pages in the order of ids.</summary>
internal sealed class FsckCatalog(CatalogDatabase database)
{
    // A row's version is the transaction that wrote it.
    private const string PathColumns = """
        select s.id, concat_ws(' ', s.xmin, o.id, o.xmin), s.hash, s.name, s.state::text, s.has_listing, s.recorded, s.fence is not null, s.signatures,
          s.nar_hash, s.nar_size, s.refs, s.deriver, s.ca, o.key, o.file_hash, o.file_size, b.hashes, b.names
        from store_path s left join object o on o.id = s.objects[1]
          cross join lateral (select array_agg(x.hash) as hashes, array_agg(x.name) as names from @fn@.boundaries_of(s.cache_id, array[s.id]) x) b
        """;

    private const string ObjectColumns =
        "select o.id, o.xmin::text, o.key, o.kind = 'nar', o.state::text, o.fence is not null, o.file_size from object o";
    private const string PinColumns =
        "select p.id, concat_ws(' ', p.xmin, p.revision), p.name, s.hash, s.name, p.deleted, p.recorded from pin p left join store_path " +
        "s on s.id = p.path_id";

    /// <summary>The rows of these keys; a key without row is not in the answer.</summary>
    public async Task<Dictionary<ObjectKey, FsckRow>> RowsAsync(int cache, IReadOnlyList<FsckKey> keys, CancellationToken cancellationToken)
    {
        var rows = new Dictionary<ObjectKey, FsckRow>(keys.Count);
        var hashes = keys.Where(k => k.Kind is KeyKind.NarInfo or KeyKind.Listing).Select(k => k.Path).Distinct().ToList();
        var paths = hashes.Count == 0 ? [] : (await PathsAsync(PathColumns + " where s.cache_id = $1 and s.hash = any($2) and s.name <> ''",
            p => p.With(cache).With(hashes.Select(h => h.ToArray()).ToArray()), cancellationToken)).ToDictionary(p => p.Path.Hash);
        foreach (var key in keys)
        {
            if (key.Kind is KeyKind.NarInfo or KeyKind.Listing && paths.TryGetValue(key.Path, out var path))
                rows[key.Key] = path;
        }

        var objects = keys.Where(k => k.Kind == KeyKind.Object).Select(k => k.Key.ToString()).ToArray();
        if (objects.Length > 0)
        {
            foreach (var row in await database.ListAsync(ObjectColumns + " where o.cache_id = $1 and o.key = any($2)", p => p.With(cache)
                .With(objects), ReadObject, cancellationToken))
                rows[row.Key] = row;
        }

        var pins = keys.Where(k => k.Kind == KeyKind.Pin).Select(k => k.Name!).ToArray();
        if (pins.Length > 0)
        {
            foreach (var row in await database.ListAsync(PinColumns + " where p.cache_id = $1 and p.name = any($2)", p => p.With(cache)
                .With(pins), ReadPin, cancellationToken))
                rows[FsckKey.Pin(row.Name).Key] = row;
        }

        return rows;
    }

    /// <summary>
    /// Paths that have to be in the bucket, from the one after <paramref name="after"/> on, by id: no more than a merge with what was seen
    /// needs.
    /// </summary>
    public Task<List<(long Id, StorePathHash Hash, bool HasListing)>> PathPageAsync(int cache, long after, int limit,
        CancellationToken cancellationToken) => database.ListAsync(
        "select s.id, s.hash, s.has_listing from store_path s where s.cache_id = $1 and s.id > $2 and s.state in ('live', 'condemned') " +
            "order by s.id limit $3",
        p => p.With(cache).With(after).With(limit), r => (r.GetInt64(0), StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)),
            r.GetBoolean(2)), cancellationToken);

    public Task<List<ObjectRow>> ObjectPageAsync(int cache, long after, int limit, CancellationToken cancellationToken) =>
        database.ListAsync(
        ObjectColumns + " where o.cache_id = $1 and o.id > $2 order by o.id limit $3", p => p.With(cache).With(after).With(limit),
            ReadObject, cancellationToken);

    public Task<List<PinRow>> PinPageAsync(int cache, long after, int limit, CancellationToken cancellationToken) => database.ListAsync(
        PinColumns + " where p.cache_id = $1 and p.id > $2 order by p.id limit $3", p => p.With(cache).With(after).With(limit),
            ReadPin, cancellationToken);

    /// <summary>
    /// Checks I11 for the paths after one id and up to another. One statement has one snapshot, so a finding was true at one commit.
    /// </summary>
    public Task<List<FsckFinding>> DanglingAsync(int cache, long after, long upTo, CancellationToken cancellationToken) =>
        database.ListAsync(
        """
        with live as materialized (select s.id, s.hash, s.name, s.refs, s.objects from store_path s where s.cache_id = $1 and s.id > $2 and s.id <= $3 and s.state = 'live')
        select l.hash, l.name, coalesce(t.name, 'a row that does not exist'), coalesce(t.state::text, 'gone') from live l cross join unnest(l.refs) r(id)
          left join store_path t on t.id = r.id where t.state is distinct from 'live'
        union all
        select l.hash, l.name, coalesce(o.key, 'a row that does not exist'), coalesce(o.state::text, 'gone') from live l cross join unnest(l.objects) r(id)
          left join object o on o.id = r.id where o.state is distinct from 'live'
        """,
        p => p.With(cache).With(after).With(upTo),
        r => Dangling(new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), r.GetString(1)), r.GetString(2),
            r.GetString(3)), cancellationToken);

    /// <summary>Kept revisions of pins whose path is not live although no eviction took it.</summary>
    public Task<List<FsckFinding>> DanglingPinsAsync(int cache, CancellationToken cancellationToken) => database.ListAsync(
        """
        select p.name, s.hash, s.name, s.state::text, r.revision from pin p
          join pin_revision r on r.pin_id = p.id and r.revision >= p.kept_from join store_path s on s.id = r.path_id
        where p.cache_id = $1 and s.state <> 'live' and r.withdrawn is null
        """,
        p => p.With(cache),
        r => new FsckFinding
        {
            Kind = FsckKind.DanglingReference,
            Key = FsckKey.Pin(r.GetString(0)).Key.ToString(),
            Path = new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetString(2)),
            Detail = string.Create(CultureInfo.InvariantCulture, $"The path of the pin's revision {r.GetInt64(4)} is {r.GetString(3)}."),
        }, cancellationToken);

    /// <summary>
    /// Nodes whose state and lists differ: a node that no list finds is neither deleted nor written. One statement has one snapshot, so a
    /// finding was true at one commit.
    /// </summary>
    public Task<List<FsckFinding>> UnequalListsAsync(int cache, CancellationToken cancellationToken) => database.ListAsync(
        """
        with due(is_path, id, state, at) as (
            select true, s.id, s.state::text, null::timestamptz from store_path s where s.cache_id = $1 and s.state in ('publishing', 'condemned', 'deleting')
            union all select true, s.id, 'unwritten', null from store_path s where s.cache_id = $1 and s.state in ('live', 'condemned', 'deleting') and not s.recorded
            union all select false, o.id, o.state::text, null from object o where o.cache_id = $1 and o.state in ('condemned', 'deleting')
            union all select false, o.id, 'tombstone', coalesce(o.url_expires, o.claimed_at, '-infinity') from object o where o.cache_id = $1 and o.state = 'tombstone'),
          listed(is_path, id, state, at) as (
            select true, m.id, m.state::text, null::timestamptz from moving_path m where m.cache_id = $1
            union all select true, s.id, 'unwritten', null from store_path s where s.cache_id = $1 and s.unwritten
            union all select false, m.id, m.state::text, null from moving_object m where m.cache_id = $1
            union all select false, t.id, 'tombstone', t.urls_until from tombstone t where t.cache_id = $1),
          unequal as (
            select d.*, 'It is ' || d.state || ', and no list says so.' as detail from (table due except table listed) d
            union all select l.*, 'A list says that it is ' || l.state || ', and it is not.' from (table listed except table due) l)
        select s.hash, s.name, o.key, u.id, u.detail from unequal u left join store_path s on u.is_path and s.id = u.id left join object o on not u.is_path and o.id = u.id
        """,
        p => p.With(cache),
        r =>
        {
            var path = r.IsDBNull(0) ? (StorePath?)null : new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)),
                r.GetString(1));
            return new FsckFinding
            {
                Kind = FsckKind.WrongList,
                Key = path is { } known ? ObjectKey.NarInfo(known.Hash).ToString() : r.IsDBNull(2)
                    ? string.Create(CultureInfo.InvariantCulture, $"(row {r.GetInt64(3)})") : r.GetString(2),
                Path = path,
                Detail = r.GetString(4),
            };
        }, cancellationToken);

    /// <summary>Those of the open multipart uploads that no row notes, and whether the key has a row at all.</summary>
    public Task<List<(string Key, string UploadId, bool KeyIsKnown)>> UnknownMultipartsAsync(int cache, IReadOnlyList<OpenMultipart> open,
        CancellationToken cancellationToken) => database.ListAsync(
        "select u.key, u.id, o.id is not null from unnest($2, $3) u(key, id) left join object o on o.cache_id = $1 and o.key = u.key " +
            "where o.multipart_id is distinct from u.id",
        p => p.With(cache).With(open.Select(m => m.Key.ToString()).ToArray()).With(open.Select(m => m.UploadId).ToArray()), r =>
            (r.GetString(0), r.GetString(1), r.GetBoolean(2)), cancellationToken);

    private async Task<List<PathRow>> PathsAsync(string sql, Action<NpgsqlParameterCollection> bind, CancellationToken cancellationToken)
    {
        var rows = await database.ListAsync(sql, bind, ReadPath, cancellationToken);
        var references = rows.SelectMany(r => r.Content?.References ?? []).Distinct().ToArray();
        // Hash and name of a path never change.
        var names = references.Length == 0 ? []
            : (await database.ListAsync("select s.id, s.hash, s.name from store_path s where s.id = any($1)", p => p.With(references),
            r => (Id: r.GetInt64(0), Path: new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetString(2))),
                cancellationToken))
                .ToDictionary(n => n.Id, n => n.Path);
        return [.. rows.Select(r => r.Row with { Expected = r.Content is { } content && content.References.All(names.ContainsKey)
            ? content.ToNarInfo(r.Signatures, names) : null })];
    }

    private static (PathRow Row, string[] Signatures, PathToWrite? Content) ReadPath(NpgsqlDataReader r)
    {
        var path = new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(2)), r.GetString(3));
        var row = new PathRow(r.GetInt64(0), r.GetString(1), path, r.GetString(4), r.GetBoolean(5), r.GetBoolean(6), r.GetBoolean(7), null);
        var content = r.IsDBNull(9) || r.IsDBNull(14) || r.IsDBNull(16) ? null : new PathToWrite(
            row.Id, 0, path, r.GetFieldValue<byte[]>(9), r.GetInt64(10), r.GetFieldValue<long[]>(11), r.IsDBNull(12) ? null
                : r.GetString(12), r.IsDBNull(13) ? null : r.GetString(13),
            null, r.GetString(14), r.IsDBNull(15) ? null : r.GetFieldValue<byte[]>(15), r.GetInt64(16),
            Boundaries: PathToWrite.ReadBoundaries(r, 17));
        return (row, r.GetFieldValue<string[]>(8), content);
    }

    private static ObjectRow ReadObject(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), ObjectKey.Parse(r.GetString(2)), r.GetBoolean(3), r.GetString(4), r.GetBoolean(5), r.IsDBNull(6)
            ? null : r.GetInt64(6));

    private static PinRow ReadPin(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetString(1), r.GetString(2),
        r.IsDBNull(3) ? null : new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(3)), r.GetString(4)), r.GetBoolean(5),
        r.GetBoolean(6));

    private static FsckFinding Dangling(StorePath path, string target, string state) => new()
    {
        Kind = FsckKind.DanglingReference,
        Key = ObjectKey.NarInfo(path.Hash).ToString(),
        Path = path,
        Detail = $"It is live and needs {target}, which is {state}.",
    };
}
