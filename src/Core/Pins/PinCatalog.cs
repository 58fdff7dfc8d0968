using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pins;

/// <summary>The transitions of a pin, typed: one method, one statement.</summary>
internal sealed class PinCatalog(CatalogDatabase database)
{
    private const string Question = """
        select o.outcome, (o.result).name, (o.result).revision, (o.result).keep_revisions, (o.result).created, (o.result).updated, (o.result).expires, s.hash, s.name,
          coalesce((o.result).deleted, true)
        from {0} o left join store_path s on s.id = (o.result).path_id
        """;

    public Task<PinAnswer> SetAsync(
        int cache, PinName name, StorePath path, TimeSpan? life, int? keep, Sha256Hash? nar, PinCondition condition, Caller caller,
        OperationId operation, byte[] digest, bool boundaries, CancellationToken cancellationToken) =>
        AskAsync("set_pin", "$1, $2, $6, $7, $8, $9, $3, $4, $5, $10, $11, $12, $13, $14, $15, $16, $17", cache, name, condition,
            caller.Scope(operation), digest,
            p => p.With(path.Hash.ToArray()).With(path.Name).WithNullable(life, NpgsqlDbType.Interval)
                .WithNullable(keep, NpgsqlDbType.Integer)
                .WithCaller(caller).With(caller.IsAdmin).WithNullable(nar?.ToArray(), NpgsqlDbType.Bytea).WithAddress(caller)
                .With(boundaries), cancellationToken);

    public Task<PinAnswer> RollbackAsync(int cache, PinName name, long? revision, PinCondition condition, Caller caller,
        OperationId operation, byte[] digest, bool boundaries, CancellationToken cancellationToken) =>
        AskAsync("rollback_pin", "$1, $2, $6, $3, $4, $5, $7, $8, $9, $10", cache, name, condition, caller.Scope(operation), digest,
            p => p.WithNullable(revision, NpgsqlDbType.Bigint).With(caller.Publisher).WithAddress(caller).With(boundaries),
            cancellationToken);

    public Task<PinAnswer> DeleteAsync(int cache, PinName name, PinCondition condition, Caller caller, OperationId operation,
        byte[] digest, CancellationToken cancellationToken) =>
        AskAsync("delete_pin", "$1, $2, $3, $4, $5, $6, $7, $8", cache, name, condition, caller.Scope(operation), digest, p =>
            p.With(caller.Publisher).WithAddress(caller), cancellationToken);

    public Task<List<Pin>> ListAsync(int cache, CancellationToken cancellationToken) =>
        database.ListAsync(
            """
            select p.name, p.revision, p.keep_revisions, p.created, p.updated, p.expires, s.hash, s.name, p.recorded, c.withdrawn
            from pin p join store_path s on s.id = p.path_id left join pin_revision c on c.pin_id = p.id and c.revision = p.revision where p.cache_id = $1 and not p.deleted order by p.name collate "C"
            """,
            p => p.With(cache), r => ReadPin(r, 0, r.GetBoolean(8)) with { BrokenSince = Time(r, 9) }, cancellationToken);

    /// <summary>Null when there is none, or one that is being deleted.</summary>
    public Task<Pin?> ShowAsync(int cache, PinName name, CancellationToken cancellationToken) =>
        database.RunAsync(
            """
            select p.name, p.revision, p.keep_revisions, p.created, p.updated, p.expires, s.hash, s.name, p.recorded,
              r.revision, t.hash, t.name, r.created, r.revision >= p.kept_from, t.state in ('live', 'condemned') and not t.barred, r.withdrawn
            from pin p join store_path s on s.id = p.path_id join pin_revision r on r.pin_id = p.id join store_path t on t.id = r.path_id
            where p.cache_id = $1 and p.name = $2 and not p.deleted order by r.revision desc
            """,
            p => p.With(cache).With(name.ToString()),
            async (r, stop) =>
            {
                Pin? pin = null;
                var history = new List<PinRevision>();
                while (await r.ReadAsync(stop))
                {
                    // The newest revision is the pin itself.
                    pin ??= ReadPin(r, 0, r.GetBoolean(8)) with { History = history, BrokenSince = Time(r, 15) };
                    history.Add(new PinRevision
                    {
                        Revision = r.GetInt64(9),
                        Path = ReadPath(r, 10),
                        Created = r.GetDateTime(12),
                        Kept = r.GetBoolean(13),
                        Present = r.GetBoolean(14)
                    });
                }

                return pin;
            },
            cancellationToken);

    /// <summary>Null when there is none, or one that is being deleted.</summary>
    public async Task<PinVersion?> VersionAsync(int cache, PinName name, CancellationToken cancellationToken) =>
        (await database.ListAsync(
            """
            select p.revision, p.updated, p.recorded, p.kept_from, (array_agg(r.withdrawn order by r.revision desc))[1],
              array_agg(t.state in ('live', 'condemned') and not t.barred order by r.revision desc)
            from pin p join pin_revision r on r.pin_id = p.id join store_path t on t.id = r.path_id
            where p.cache_id = $1 and p.name = $2 and not p.deleted group by p.id
            """,
            p => p.With(cache).With(name.ToString()),
            r => new PinVersion(r.GetInt64(0), r.GetDateTime(1), r.GetBoolean(2), r.GetInt64(3), Time(r, 4),
                r.GetFieldValue<bool[]>(5)), cancellationToken))
                .FirstOrDefault();

    /// <summary>
    /// Opens an intent on one pin, or (null) on up to <paramref name="limit"/>; none where the newest revision is written or another
    /// process writes it.
    /// </summary>
    public Task<List<PinIntent>> IntendAsync(int cache, PinName? name, PushOptions options, int limit,
        CancellationToken cancellationToken) =>
        database.ListAsync(
            "select id, name, revision, deleted, path_hash, path_name, generation, fence from @fn@.pin_intend($1, $2, $3, $4, $5)",
            p => p.With(cache).WithNullable(name?.ToString(), NpgsqlDbType.Text).With(options.Fence).With(options.FenceMargin).With(limit),
            r => new PinIntent(r.GetInt64(0), PinName.Parse(r.GetString(1)), r.GetInt64(2), r.GetBoolean(3), ReadPath(r, 4), r.GetInt64(6),
                r.GetDateTime(7)), cancellationToken);

    /// <summary>Records an attempt that was answered, done or refused. True when the bucket has the newest revision.</summary>
    public Task<bool> RecordAsync(PinIntent intent, bool done, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.pin_record($1, $2, $3, $4)",
            p => p.With(intent.Id).With(intent.Generation).With(intent.Revision).With(done), r => r.GetBoolean(0), cancellationToken);

    public Task<bool> IsWrittenAsync(int cache, PinName name, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select not exists (select from pin where cache_id = $1 and name = $2 and not recorded)", p => p.With(cache)
                .With(name.ToString()), r => r.GetBoolean(0), cancellationToken);

    public Task<int> ExpireAsync(int cache, int limit, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.expire_pins($1, $2)", p => p.With(cache).With(limit), r => r.GetInt32(0), cancellationToken);

    /// <summary>Forgets operations after a day; until then a replay is told from its first sending.</summary>
    public Task ForgetOperationsAsync(int cache, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.forget_pin_operations($1)", p => p.With(cache), cancellationToken);

    private Task<PinAnswer> AskAsync(
        string function, string arguments, int cache, PinName name, PinCondition condition, string operation, byte[] digest,
        Action<NpgsqlParameterCollection> bind, CancellationToken cancellationToken) =>
        database.SingleAsync(
            Question.Replace("{0}", $"@fn@.{function}({arguments})", StringComparison.Ordinal),
            p =>
            {
                bind(p.With(cache).With(name.ToString()).WithNullable(condition.Expected, NpgsqlDbType.Bigint).With(operation)
                    .With(digest));
                p.WithNullable(condition.Seen, NpgsqlDbType.Bigint);
            },
            r => new PinAnswer(
                OutcomeText.Parse<PinOutcome>(function, r.GetString(0)),
                r.IsDBNull(1) || r.IsDBNull(7) ? null : ReadPin(r, 1, written: false), r.IsDBNull(7) ? null : ReadPath(r, 7),
                r.GetBoolean(9)),
            cancellationToken);

    private static Pin ReadPin(NpgsqlDataReader r, int at, bool written) => new()
    {
        Name = PinName.Parse(r.GetString(at)),
        Revision = r.GetInt64(at + 1),
        KeepRevisions = r.GetInt32(at + 2),
        Created = r.GetDateTime(at + 3),
        Updated = r.GetDateTime(at + 4),
        Expires = r.IsDBNull(at + 5) ? null : r.GetDateTime(at + 5),
        Path = ReadPath(r, at + 6),
        Written = written,
    };

    private static DateTimeOffset? Time(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : r.GetDateTime(at);

    private static StorePath ReadPath(NpgsqlDataReader r, int at) => new(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(at)),
        r.GetString(at + 1));
}

/// <param name="Pin">As the operation left it; unchanged when the operation was not done.</param>
/// <param name="Path">Its path, or the path that the request wanted.</param>
/// <param name="IsGone">There is no such pin, or it is being deleted.</param>
internal sealed record PinAnswer(PinOutcome Outcome, Pin? Pin, StorePath? Path, bool IsGone);

/// <summary>An attempt to write (or, deleted, to delete) <c>pins/&lt;name&gt;</c> at a revision.</summary>
internal sealed record PinIntent(long Id, PinName Name, long Revision, bool Deleted, StorePath Path, long Generation, DateTime Fence);
