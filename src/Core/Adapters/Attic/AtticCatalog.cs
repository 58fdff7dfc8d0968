using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.Attic;

/// <summary>The transitions of paths that wait for their references, typed: one method, one statement.</summary>
internal sealed class AtticCatalog(CatalogDatabase database, PushOptions options)
{
    /// <summary>Paths of one publisher that wait: more than a large system's closure has.</summary>
    public const long MaxWaiting = 50_000;

    /// <summary>Bytes of their rows.</summary>
    public const long MaxWaitingBytes = 64 << 20;

    /// <summary>The name of a file with this NAR; null: there is none. It may be gone, or another group's.</summary>
    public async Task<NarFileName?> FindNarAsync(int cache, Sha256Hash narHash, long narSize, CancellationToken cancellationToken) =>
        await database.SingleAsync("select @fn@.attic_nar($1, $2, $3)", p => p.With(cache).With(narHash.ToArray()).With(narSize),
            r => r.IsDBNull(0) ? null : r.GetString(0), cancellationToken) is { } text && NarFileName.TryParse(text, out var name)
            ? name : null;

    /// <summary>Records a path. With <see cref="RecordOutcome.Waiting"/>: which reference it awaits; null: it is ready.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.QuotaExceeded"/>.</exception>
    public Task<(RecordOutcome Outcome, StorePathHash? Awaits)> RecordAsync(int cache, WaitingRow row,
        CancellationToken cancellationToken)
    {
        var (caller, info) = (row.Caller, row.Info);
        return database.SingleAsync(
            "select outcome, awaits from @fn@.attic_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            p => p.With(cache).WithCaller(caller).WithTold(caller).WithAddress(caller).With(info.StorePath.Hash.ToArray())
                .With(row.Digest).With(info.References.Where(r => r.Hash != info.StorePath.Hash).Select(r => r.Hash.ToArray()).ToArray())
                .With(info.Print()).With(info.NarHash.ToArray()).With(info.NarSize).With(info.FileHash!.Value.ToArray())
                .With(options.HoldLife).With(new[] { MaxWaiting, MaxWaitingBytes }).WithQuotas(options.Quotas),
            r =>
            {
                var answer = r.GetString(0);
                Quotas.Check(Quotas.TextOf(answer), caller);
                return (OutcomeText.Parse<RecordOutcome>("attic_record", answer), HashOf(r, 1));
            }, cancellationToken);
    }

    /// <summary>Of these paths those that wait and were put by this publisher; they are held.</summary>
    public Task<List<StorePathHash>> PromiseAsync(int cache, Caller caller, IReadOnlyCollection<StorePathHash> paths,
        CancellationToken cancellationToken) =>
        database.ListAsync("select p from @fn@.attic_promise($1, $2, $3, $4, $5, $6) p",
            p => p.With(cache).WithCaller(caller).With(paths.Select(h => h.ToArray()).ToArray()).With(options.HoldLife),
            r => StorePathHash.FromBytes(r.GetFieldValue<byte[]>(0)), cancellationToken);

    /// <summary>What awaits one of these paths, if that is there, awaits its next reference or is ready.</summary>
    public Task<List<MovedRow>> MoveAsync(int cache, IReadOnlyCollection<StorePathHash> paths, int limit,
        CancellationToken cancellationToken) =>
        database.ListAsync("select awaits, holder, digest, info, trust_group, rank, reads_others, address from @fn@.attic_move($1, $2, $3)",
            p => p.With(cache).With(paths.Select(h => h.ToArray()).ToArray()).With(limit), ReadMoved, cancellationToken);

    /// <summary>What was ready for so long and is with nobody, or awaits again a reference that has gone.</summary>
    public Task<List<MovedRow>> TakeLeftAsync(int cache, TimeSpan silence, int limit, CancellationToken cancellationToken) =>
        database.ListAsync("select awaits, holder, digest, info, trust_group, rank, reads_others, address from @fn@.attic_left($1, $2, $3)",
            p => p.With(cache).With(silence).With(limit), ReadMoved, cancellationToken);

    /// <summary>Paths that are there and awaited all the same.</summary>
    public Task<List<StorePathHash>> FindArrivedAsync(int cache, int limit, CancellationToken cancellationToken) =>
        database.ListAsync("select a from @fn@.attic_arrived($1, $2) a", p => p.With(cache).With(limit), r => HashOf(r, 0)!.Value,
            cancellationToken);

    public Task DoneAsync(int cache, WaitingRow row, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.attic_done($1, $2, $3, $4)", p => p.With(cache).With(row.Caller.Publisher)
            .With(row.Info.StorePath.Hash.ToArray()).With(row.Digest), cancellationToken);

    public Task<List<WaitingPath>> ListAsync(int cache, int limit, CancellationToken cancellationToken) =>
        database.ListAsync("select info, holder, recorded, expires, missing from @fn@.attic_waiting($1, $2)",
            p => p.With(cache).With(limit), ReadWaiting, cancellationToken);

    private static MovedRow ReadMoved(NpgsqlDataReader r) => HashOf(r, 0) is { } awaits
        ? new MovedRow(awaits, null)
        : new MovedRow(null, new WaitingRow(
            new Caller(r.GetString(1), r.GetString(4), r.GetInt32(5), Address: r.IsDBNull(7) ? null : r.GetString(7))
            {
                ReadsOthers = r.GetBoolean(6),
            },
            NarInfo.Parse(r.GetString(3)), r.GetFieldValue<byte[]>(2)));

    private static StorePathHash? HashOf(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null
        : StorePathHash.FromBytes(r.GetFieldValue<byte[]>(column));

    private static WaitingPath ReadWaiting(NpgsqlDataReader r)
    {
        var info = NarInfo.Parse(r.GetString(0));
        var missing = r.GetFieldValue<byte[][]>(4).Select(h => StorePathHash.FromBytes(h)).ToHashSet();
        return new WaitingPath
        {
            Path = info.StorePath,
            Publisher = r.GetString(1),
            Recorded = r.GetDateTime(2),
            Expires = r.GetDateTime(3),
            Missing = [.. info.References.Where(p => missing.Contains(p.Hash))],
        };
    }
}

/// <param name="Caller">Who put the path, as it was then.</param>
/// <param name="Info">What the path declares, with the file of its NAR.</param>
/// <param name="Digest">See <see cref="Pushes.PathDigest"/>.</param>
internal sealed record WaitingRow(Caller Caller, NarInfo Info, byte[] Digest);

/// <param name="Awaits">The reference that the path awaits now.</param>
/// <param name="Ready">Where it awaits none: the path, which whoever reads this publishes.</param>
internal sealed record MovedRow(StorePathHash? Awaits, WaitingRow? Ready);
