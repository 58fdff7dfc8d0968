using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

/// <summary>Answers what the catalog knows of a path: one statement, and one question at a time in this process.</summary>
internal sealed class CatalogPaths(CacheDirectory caches, CatalogDatabase database) : IPaths, IDisposable
{
    private const int MaxListed = 100;

    // Each question reads a large table: many at once would push everything else out of the database's memory.
    private readonly SemaphoreSlim _one = new(1);

    public async Task<PathLife> GetAsync(CacheName cache, StorePathHash path, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        await _one.WaitAsync(cancellationToken);
        try
        {
            var lives = await database.ListAsync("select l.* from @fn@.path_life($1, $2, $3) l",
                p => p.With(id).With(path.ToArray()).With(MaxListed), r => Read(path, r), cancellationToken);
            return lives is [var life] ? life : throw new CacheProblemException(ProblemKind.UnknownPath,
                $"{path} is not in the cache '{cache}' and never was.");
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private static PathLife Read(StorePathHash path, NpgsqlDataReader r) => new()
    {
        Path = new StorePath(path, r.GetString(0)),
        State = r.GetString(1),
        CondemnedAt = Time(r, 2),
        Publisher = Text(r, 3),
        Group = Text(r, 4),
        Rank = r.IsDBNull(5) ? null : r.GetInt32(5),
        Declared = Time(r, 6),
        Pushed = Time(r, 7),
        Nar = r.IsDBNull(8) ? null : new PathNar
        {
            Hash = Hash(r, 8)!.Value,
            Size = r.GetInt64(9),
            FileHash = Hash(r, 10),
            FileSize = r.IsDBNull(11) ? null : r.GetInt64(11),
            Key = Text(r, 12),
            State = Text(r, 13),
            Verification = Text(r, 14) ?? "unverified",
            VerifiedAt = Time(r, 27),
        },
        References = Paths(r, 15),
        Boundaries = Paths(r, 28),
        ReferrerCount = r.GetInt64(17),
        Referrers = Paths(r, 18),
        Pins = [.. List<string>(r, 20).Zip(List<long>(r, 21), List<bool>(r, 22))
            .Select(p => new PathPin(PinName.Parse(p.First), p.Second, p.Third))],
        Uploads = [.. List<string>(r, 23).Zip(List<DateTime>(r, 24), List<long>(r, 25))
            .Select(u => new PathUpload(u.First, u.Second, u.Third))],
        Waiting = r.GetInt32(26),
    };

    private static string? Text(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : r.GetString(at);

    private static DateTimeOffset? Time(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : r.GetDateTime(at);

    private static Sha256Hash? Hash(NpgsqlDataReader r, int at) =>
        r.IsDBNull(at) ? null : Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(at));

    private static T[] List<T>(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? [] : r.GetFieldValue<T[]>(at);

    private static List<StorePath> Paths(NpgsqlDataReader r, int at) =>
        [.. List<byte[]>(r, at).Zip(List<string>(r, at + 1), (hash, name) => new StorePath(StorePathHash.FromBytes(hash), name))];
}
