using System.Text.Json;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Caches;

/// <summary>The transitions of caches and their keys, typed: one method, one statement.</summary>
internal sealed class CacheCatalog(CatalogDatabase database)
{
    /// <summary>All caches with their keys.</summary>
    public Task<List<CacheRow>> LoadAsync(CancellationToken cancellationToken) => database.ListAsync(
        """
        select c.id, c.name, c.secret, c.version, c.settings::text, c.bucket, c.prefix, c.declared, c.created, c.deleting,
          case when c.quota_bytes is null and c.quota_paths is null then null else c.used_bytes::bigint end, case when c.quota_bytes is null and c.quota_paths is null then null else c.used_paths end,
          array(select k.name from cache_key k where k.cache_id = c.id order by k.id), array(select k.public_key from cache_key k where k.cache_id = c.id order by k.id),
          array(select coalesce(k.secret, '') from cache_key k where k.cache_id = c.id order by k.id), array(select k.state from cache_key k where k.cache_id = c.id order by k.id),
          array(select k.created from cache_key k where k.cache_id = c.id order by k.id), array(select k.signing from cache_key k where k.cache_id = c.id order by k.id)
        from cache c order by c.id
        """,
        static _ => { },
        r => new CacheRow(
            r.GetInt32(0), CacheName.TryParse(r.GetString(1), out var name) ? name
                : throw new FormatException($"'{r.GetString(1)}' is not the name of a cache"),
            r.GetFieldValue<byte[]>(2), r.GetInt64(3), r.IsDBNull(4) ? null : Settings(r.GetString(4)), r.IsDBNull(5) ? null
                : r.GetString(5), r.GetString(6), r.GetBoolean(7), r.GetDateTime(8), r.IsDBNull(9) ? null : r.GetDateTime(9),
            Keys(r.GetFieldValue<string[]>(12), r.GetFieldValue<string[]>(13), r.GetFieldValue<string[]>(14),
                r.GetFieldValue<string[]>(15), r.GetFieldValue<DateTime[]>(16), r.GetFieldValue<bool[]>(17)))
        {
            UsedBytes = r.IsDBNull(10) ? null : r.GetInt64(10),
            UsedPaths = r.IsDBNull(11) ? null : r.GetInt64(11),
        }, cancellationToken);

    public Task<CreateOutcome> CreateAsync(CacheName cache, string? bucket, string prefix, CacheSettings settings, string verify,
        bool isDeclared, NewKey? key, Caller caller, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.create_cache($1, $2, $3, $4::jsonb, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            p => p.With(cache.ToString()).WithNullable(bucket, NpgsqlDbType.Text).With(prefix).With(Text(settings))
                .WithNullable(settings.QuotaBytes, NpgsqlDbType.Bigint).WithNullable(settings.QuotaPaths, NpgsqlDbType.Bigint).With(verify)
                .With(isDeclared).WithNullable(key?.Name, NpgsqlDbType.Text).WithNullable(key?.PublicKey, NpgsqlDbType.Text)
                .WithNullable(key?.Secret, NpgsqlDbType.Text).With(caller.Publisher).WithAddress(caller),
            r => OutcomeText.Parse<CreateOutcome>("create_cache", r.GetString(0)), cancellationToken);

    public Task<SetOutcome> SetAsync(CacheName cache, long version, CacheSettings settings, string verify, bool isDeclared, Caller caller,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.set_cache($1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9)",
            p => p.With(cache.ToString()).With(version).With(Text(settings))
                .WithNullable(settings.QuotaBytes, NpgsqlDbType.Bigint).WithNullable(settings.QuotaPaths, NpgsqlDbType.Bigint).With(verify)
                .With(isDeclared).With(caller.Publisher).WithAddress(caller),
            r => OutcomeText.Parse<SetOutcome>("set_cache", r.GetString(0)), cancellationToken);

    /// <summary>The caches that the file does not declare.</summary>
    public Task<List<string>> UndeclareAsync(IReadOnlyCollection<string> declared, CancellationToken cancellationToken) =>
        database.ListAsync("select * from @fn@.undeclare_caches($1)", p => p.With(declared.ToArray()), r => r.GetString(0),
            cancellationToken);

    public Task<DeleteOutcome> DeleteAsync(CacheName cache, bool force, Caller caller, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.delete_cache($1, $2, $3, $4)", p => p.With(cache.ToString()).With(force).With(caller.Publisher)
            .WithAddress(caller), r => OutcomeText.Parse<DeleteOutcome>("delete_cache", r.GetString(0)), cancellationToken);

    /// <summary>Those of the caches in which there is something to do.</summary>
    public Task<int[]> AtWorkAsync(int[] caches, TimeSpan lateUpload, bool scrubs, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.caches_at_work($1, $2, $3)", p => p.With(caches).With(lateUpload).With(scrubs),
            r => r.GetFieldValue<int[]>(0), cancellationToken);

    /// <summary>Ends what a cache under deletion has open; answers the pins that are still to be deleted.</summary>
    public Task<string[]> CloseAsync(int cache, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.close_cache($1)", p => p.With(cache), r => r.GetFieldValue<string[]>(0), cancellationToken);

    public Task<RestOfCache> LeftAsync(int cache, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.left_of_cache($1)", p => p.With(cache), r =>
            OutcomeText.Parse<RestOfCache>("left_of_cache", r.GetString(0)), cancellationToken);

    /// <summary>Deletes rows of an empty cache; true: there is none left, and no such cache.</summary>
    public Task<bool> ForgetAsync(int cache, int batch, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.forget_cache($1, $2)", p => p.With(cache).With(batch), r => r.GetBoolean(0), cancellationToken);

    /// <summary>Deletes older lines of the audit log of caches that are gone, a batch of each.</summary>
    public Task ForgetDeletedAsync(TimeSpan auditLife, int batch, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.forget_deleted_caches($1, $2)", p => p.With(auditLife).With(batch), cancellationToken);

    private static string Text(CacheSettings settings) => JsonSerializer.Serialize(settings, ProtocolJson.Default.CacheSettings);

    private static CacheSettings Settings(string text) => JsonSerializer.Deserialize(text, ProtocolJson.Default.CacheSettings)
        ?? throw new FormatException("the settings of a cache are null");

    private static KeyRow[] Keys(string[] names, string[] publics, string[] secrets, string[] states, DateTime[] created,
        bool[] signing) =>
        [.. names.Select((name, i) => new KeyRow(name, publics[i], secrets[i].Length > 0 ? secrets[i] : null,
            OutcomeText.Parse<KeyState>("cache_key", states[i]), created[i], signing[i]))];
}

/// <param name="Secret">Null: a file of the servers has it.</param>
internal sealed record NewKey(string Name, string PublicKey, string? Secret);

/// <summary>What <c>create_cache</c> answers.</summary>
internal enum CreateOutcome
{
    Done,
    Exists,

    /// <summary>The deletion of one of that name has not ended.</summary>
    Deleting,

    /// <summary>Another cache has the place, or one above or below it.</summary>
    Taken,

    /// <summary>One of its hosts leads to another cache.</summary>
    Host,

    /// <summary>There is no cache that it could be a stage of.</summary>
    Parent,
}

/// <summary>What <c>set_cache</c> answers.</summary>
internal enum SetOutcome
{
    Done,
    Unknown,

    /// <summary>It is at another version.</summary>
    Changed,
    Declared,

    /// <summary>One of its hosts leads to another cache.</summary>
    Host,
}

/// <summary>What <c>delete_cache</c> answers.</summary>
internal enum DeleteOutcome
{
    Done,
    Unknown,
    Declared,
    InUse,

    /// <summary>It has stages.</summary>
    Staged,
}

/// <summary>What <c>left_of_cache</c> answers.</summary>
internal enum RestOfCache
{
    /// <summary>A collection is to run.</summary>
    Live,

    /// <summary>Deletions are under way, or wait.</summary>
    Leaving,
    Empty,

    /// <summary>It is gone, or is not being deleted.</summary>
    Unknown,
}
