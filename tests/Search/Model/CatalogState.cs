using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Model.Tests;

/// <summary>The rows of the catalog at one moment, as far as invariants need them.</summary>
internal sealed record CatalogState(
    Dictionary<long, PathRow> Paths, Dictionary<long, ObjectRow> Objects, List<PushRow> Pushes, List<RootRow> Roots, List<PinRow> Pins,
    List<EvictionRow> Evictions, HashSet<StorePathHash> Broken, List<ProofRow> Proofs, long Unread, List<string> Unequal, long Epoch,
    DateTime Now, HashSet<(StorePathHash Path, StorePathHash Reference)> Boundaries)
{
    public static IReadOnlyList<string> Queries { get; } =
    [
        "select id, hash, state::text, touched, refs, objects, recorded, has_listing, barred from store_path order by id",
        "select id, key, kind::text, state::text, touched, nar_hash, holders, multipart_id, verified, coalesce(trust_group = -2, false), " +
            "nar_size, " +
            "exists (select from audit a where a.action = 'verify.refuse' and a.subject = key) from object order by id",
        "select u.id, u.state::text, u.expires, u.paths, u.objects, u.roots, array(select path_id from push_path d where d.push_id = " +
            "u.id), u.holder is not null, u.public_id, u.created, u.withdrawn is not null from push u order by u.id",
        "select path_id, pushed from root order by path_id",
        """
        select p.name, p.path_id, p.deleted, p.recorded, array(select r.path_id from pin_revision r where r.pin_id = p.id and r.revision >= p.kept_from and r.withdrawn is null), p.revision from pin p order by p.name
        """,
        "select found, objects, barred, finished is not null, operation like 'verify:%' from eviction order by id",
        "select distinct s.hash from pin_revision r join store_path s on s.id = r.path_id where r.withdrawn is not null",
        "select object_id, occurring, absent from proof order by object_id",
        "select count(*) from verification",
        Lists.Unequal,
        "select g from gc_epoch where cache_id = 1",
        "select clock_timestamp()",
        "select b.hash, u.hash from boundary b join upstream_path u on u.id = b.upstream_id",
    ];

    public static async Task<CatalogState> ReadAsync(NpgsqlDataReader reader)
    {
        var paths = await RowsAsync(reader, r => new PathRow(
            r.GetInt64(0), StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1)), r.GetString(2), r.GetInt64(3), r.GetFieldValue<long[]>(4),
            r.GetFieldValue<long[]>(5), r.GetBoolean(6), r.GetBoolean(7), r.GetBoolean(8)));
        await reader.NextResultAsync();
        var objects = await RowsAsync(reader, r => new ObjectRow(
            r.GetInt64(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetInt64(4), r.IsDBNull(5) ? null
                : Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(5)), r.GetFieldValue<long[]>(6),
            r.IsDBNull(7) ? null : r.GetString(7), r.GetBoolean(8), r.GetBoolean(9), r.IsDBNull(10) ? 0 : r.GetInt64(10),
            r.GetBoolean(11)));
        await reader.NextResultAsync();
        var pushes = await RowsAsync(reader, r => new PushRow(
            r.GetInt64(0), r.GetString(1), r.GetDateTime(2), r.GetFieldValue<long[]>(3), r.GetFieldValue<long[]>(4),
            r.GetFieldValue<long[]>(5), r.GetFieldValue<long[]>(6), r.GetBoolean(7), new PushId(r.GetGuid(8)), r.GetDateTime(9),
            r.GetBoolean(10)));
        await reader.NextResultAsync();
        var roots = await RowsAsync(reader, r => new RootRow(r.GetInt64(0), r.GetDateTime(1)));
        await reader.NextResultAsync();
        var pins = await RowsAsync(reader, r => new PinRow(r.GetString(0), r.GetInt64(1), r.GetBoolean(2), r.GetBoolean(3),
            r.GetFieldValue<long[]>(4), r.GetInt64(5)));
        await reader.NextResultAsync();
        var evictions = await RowsAsync(reader, r => new EvictionRow(r.GetFieldValue<long[]>(0), r.GetFieldValue<long[]>(1),
            r.GetDateTime(2), r.GetBoolean(3), r.GetBoolean(4)));
        await reader.NextResultAsync();
        var broken = await RowsAsync(reader, r => StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)));
        await reader.NextResultAsync();
        var proofs = await RowsAsync(reader, r => new ProofRow(r.GetInt64(0), Hashes(r, 1), Hashes(r, 2)));
        await reader.NextResultAsync();
        var unread = (await RowsAsync(reader, r => r.GetInt64(0)))[0];
        await reader.NextResultAsync();
        var unequal = await RowsAsync(reader, r => r.GetString(0));
        await reader.NextResultAsync();
        var epoch = (await RowsAsync(reader, r => r.GetInt64(0)))[0];
        await reader.NextResultAsync();
        var now = (await RowsAsync(reader, r => r.GetDateTime(0)))[0];
        await reader.NextResultAsync();
        var boundaries = await RowsAsync(reader, r => (StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)),
            StorePathHash.FromBytes(r.GetFieldValue<byte[]>(1))));
        return new CatalogState(paths.ToDictionary(p => p.Id), objects.ToDictionary(o => o.Id), pushes, roots, pins, evictions, [.. broken],
            proofs, unread, unequal, epoch, now, [.. boundaries]);
    }

    private static StorePathHash[] Hashes(NpgsqlDataReader reader, int column) =>
        [.. reader.GetFieldValue<byte[][]>(column).Select(h => StorePathHash.FromBytes(h))];

    private static async Task<List<T>> RowsAsync<T>(NpgsqlDataReader reader, Func<NpgsqlDataReader, T> read)
    {
        var rows = new List<T>();
        while (await reader.ReadAsync())
            rows.Add(read(reader));
        return rows;
    }
}

internal sealed record PathRow(long Id, StorePathHash Hash, string State, long Touched, long[] References, long[] Objects, bool Recorded,
    bool HasListing, bool Barred);

/// <param name="IsToldOf">The audit log says that it is not the declared NAR.</param>
/// <param name="Refused">Usable for nobody: its bytes are not the declared NAR, or an eviction takes it.</param>
internal sealed record ObjectRow(long Id, string Key, string Kind, string State, long Touched, Sha256Hash? NarHash, long[] Holders,
    string? Multipart, bool Verified, bool Refused, long NarSize, bool IsToldOf);

/// <param name="IsHold">Of a stock client's credential.</param>
/// <param name="Key">What its client knows it by.</param>
internal sealed record PushRow(long Id, string State, DateTime Expires, long[] Paths, long[] Objects, long[] Roots, long[] Declared,
    bool IsHold, PushId Key, DateTime Created, bool IsWithdrawn);

internal sealed record RootRow(long Path, DateTime Pushed);

/// <param name="Paths">All that it takes, as far as it is known.</param>
/// <param name="Objects">The bad NARs.</param>
/// <param name="IsOfVerifier">For bytes that are not the declared NAR.</param>
internal sealed record EvictionRow(long[] Paths, long[] Objects, DateTime Barred, bool IsFinished, bool IsOfVerifier);

internal sealed record ProofRow(long Object, StorePathHash[] Occurring, StorePathHash[] Absent);

/// <param name="Kept">Paths of all revisions that the pin protects, but for those that an eviction has taken.</param>
internal sealed record PinRow(string Name, long Path, bool Deleted, bool Recorded, long[] Kept, long Revision);
