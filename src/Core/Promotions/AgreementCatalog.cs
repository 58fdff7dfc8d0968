using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>What stages of a cache say of paths, as the catalog compares it.</summary>
internal sealed class AgreementCatalog(CatalogDatabase database)
{
    // A push that is finished shows within this time.
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(15);

    /// <summary>Takes the turn to compare, and says when it began; null: nothing has changed, or another server has it.</summary>
    /// <param name="cache">The cache that has the stages.</param>
    /// <param name="lease">How long the turn lasts unless it is held.</param>
    /// <param name="rest">After so long it is compared whatever has changed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<DateTime?> TakeTurnAsync(int cache, TimeSpan lease, TimeSpan rest, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.take_comparison($1, $2, $3, $4)", p => p.With(cache).With(lease).With(rest).With(Moment),
            r => r.IsDBNull(0) ? (DateTime?)null : r.GetDateTime(0), cancellationToken);

    /// <summary>Keeps the turn.</summary>
    public Task HoldTurnAsync(int cache, TimeSpan lease, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.hold_comparison($1, $2, null)", p => p.With(cache).With(lease), cancellationToken);

    /// <summary>Ends the turn.</summary>
    public Task EndTurnAsync(int cache, DateTime began, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.hold_comparison($1, null, $2)", p => p.With(cache).With(began), cancellationToken);

    /// <summary>Paths of a stage that bear a signature by a key of one of these names, after an id.</summary>
    public Task<List<SignedPath>> SignedAsync(int cache, CacheName stage, IReadOnlyCollection<string> keys, long after, int limit,
        CancellationToken cancellationToken) =>
        database.ListAsync("select s.* from @fn@.signed_paths($1, $2, $3, $4, $5) s",
            p => p.With(cache).With(stage.ToString()).With(keys.ToArray()).With(after).With(limit),
            r => new SignedPath(r.GetInt64(0), new StorePath(Hash(r, 1), r.GetString(2)),
                Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(3)), r.GetInt64(4), Paths(r, 5), r.GetFieldValue<string[]>(7)),
            cancellationToken);

    /// <summary>The top paths of all that may go by itself now, each with the stage to take it from.</summary>
    public Task<List<(CacheName Stage, StorePathHash Root)>> RootsAsync(int cache, IReadOnlyCollection<long> endorsed,
        IReadOnlyCollection<StorePathHash> skip, int limit, CancellationToken cancellationToken) =>
        database.ListAsync("select r.* from @fn@.agreed_roots($1, $2, $3, $4) r",
            p => p.With(cache).With(endorsed.ToArray()).With(skip.Select(h => h.ToArray()).ToArray()).With(limit),
            r => (CacheName.TryParse(r.GetString(0), out var stage) ? stage : throw new FormatException(r.GetString(0)), Hash(r, 1)),
            cancellationToken);

    /// <summary>Of these paths of a stage those that may go by themselves, with the digests of what is agreed on.</summary>
    public async Task<Dictionary<StorePathHash, byte[]>> AgreedAsync(int cache, CacheName stage, IEnumerable<StorePathHash> paths,
        IReadOnlyCollection<long> endorsed, CancellationToken cancellationToken) =>
        (await database.ListAsync(
            "select j.hash, j.declared from @fn@.judged_paths($1, $2, $3) j join cache c on c.id = j.stage " +
                "where c.name = $4 and j.judged in ('agreed', 'endorsed') and j.declared is not null",
            p => p.With(cache).With(paths.Select(h => h.ToArray()).ToArray()).With(endorsed.ToArray()).With(stage.ToString()),
            r => (Hash: Hash(r, 0), Digest: r.GetFieldValue<byte[]>(1)), cancellationToken)).ToDictionary(p => p.Hash, p => p.Digest);

    /// <summary>Of these paths those that the cache has live.</summary>
    public async Task<HashSet<StorePathHash>> LiveAsync(int cache, IReadOnlyCollection<StorePathHash> paths,
        CancellationToken cancellationToken) =>
        paths.Count == 0 ? [] : [.. await database.ListAsync(
            "select s.hash from store_path s where s.cache_id = $1 and s.hash = any($2) and s.state = 'live' and not s.barred",
            p => p.With(cache).With(paths.Select(h => h.ToArray()).ToArray()), r => Hash(r, 0), cancellationToken)];

    /// <summary>Why paths do not go by themselves.</summary>
    public async Task<List<PathConflict>> ConflictsAsync(int cache, StorePathHash? after, bool all, int limit,
        CancellationToken cancellationToken)
    {
        var contents = await database.ListAsync("select u.* from @fn@.unpromoted_paths($1, $2, $3, $4) u",
            p => p.With(cache).With(after?.ToArray() ?? []).With(all).With(limit),
            r => (Path: new StorePath(Hash(r, 0), r.GetString(4)), Reason: r.GetString(1), Voters: r.GetInt32(2),
                Needed: r.IsDBNull(3) ? (int?)null : r.GetInt32(3), Content: ContentOf(r)), cancellationToken);
        return [.. contents.GroupBy(c => c.Path.Hash).Select(g => new PathConflict
        {
            Path = g.First().Path,
            Reason = OutcomeText.Parse<ConflictReason>("unpromoted_paths", g.First().Reason),
            Votes = g.First().Voters,
            Needed = g.First().Needed,
            Contents = [.. g.Select(c => c.Content)],
        })];
    }

    private static PathContent ContentOf(NpgsqlDataReader r) => new()
    {
        Name = r.GetString(4),
        NarHash = Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(5)),
        NarSize = r.GetInt64(6),
        Ca = r.IsDBNull(7) ? null : r.GetString(7),
        References = Paths(r, 8),
        Caches = r.GetFieldValue<string[]>(10),
        Publishers = r.GetFieldValue<string[]>(11),
        Verified = r.GetBoolean(12),
    };

    private static StorePathHash Hash(NpgsqlDataReader r, int at) => StorePathHash.FromBytes(r.GetFieldValue<byte[]>(at));

    private static List<StorePath> Paths(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? []
        : [.. r.GetFieldValue<byte[][]>(at).Zip(r.GetFieldValue<string[]>(at + 1),
            static (hash, name) => new StorePath(StorePathHash.FromBytes(hash), name))];
}

/// <summary>A path of a stage, and who says so.</summary>
internal sealed record SignedPath(long Id, StorePath Path, Sha256Hash NarHash, long NarSize, IReadOnlyList<StorePath> References,
    IReadOnlyList<string> Signatures);
