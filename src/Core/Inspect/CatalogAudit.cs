using System.Globalization;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Inspect;

/// <summary>The audit log as the catalog has it.</summary>
internal sealed class CatalogAudit(CacheDirectory caches, CatalogDatabase database) : IAudit
{
    // Lines that a filtered page reads at most: a tenth of a second's worth.
    private const int MaxScan = 50_000;

    public async Task<AuditPage> ReadAsync(CacheName cache, AuditQuery query, CancellationToken cancellationToken)
    {
        var (before, id) = Position(query.After);
        var scan = query.By is null && query.Action is null ? query.Limit : Math.Max(MaxScan, query.Limit);
        var own = caches.FindId(cache) ?? await FindDeletedAsync(cache, cancellationToken) ?? throw CacheDirectory.Unknown(cache);
        var rows = await database.ListAsync(
            "select at, id, publisher, address, action, subject, path, path_name, detail from @fn@.audit_page($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            p => p.With(own).WithNullable(query.Since?.UtcDateTime, NpgsqlDbType.TimestampTz)
                .WithNullable(query.Until?.UtcDateTime, NpgsqlDbType.TimestampTz)
                .WithNullable(query.By, NpgsqlDbType.Text).WithNullable(query.Action, NpgsqlDbType.Text)
                .WithNullable(before, NpgsqlDbType.TimestampTz).WithNullable(id, NpgsqlDbType.Bigint).With(query.Limit).With(scan),
            r => (At: r.GetDateTime(0), Id: r.GetInt64(1), Line: r.IsDBNull(2) ? null : Read(r)), cancellationToken);
        var lines = rows.Where(r => r.Line is not null).Select(r => r.Line!).ToList();
        return new AuditPage
        {
            Lines = lines,
            Next = rows.Count > 0 && (lines.Count == query.Limit || rows[^1].Line is null) ? Print(rows[^1].At, rows[^1].Id) : null,
        };
    }

    // Who deleted a cache is asked when it is gone.
    private Task<int?> FindDeletedAsync(CacheName cache, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.deleted_cache_of($1)", p => p.With(cache.ToString()),
            r => r.IsDBNull(0) ? (int?)null : r.GetInt32(0), cancellationToken);

    private static AuditLine Read(NpgsqlDataReader r) => new()
    {
        At = r.GetDateTime(0),
        Publisher = r.GetString(2),
        Address = Text(r, 3),
        Action = r.GetString(4),
        Subject = Text(r, 5),
        Path = r.IsDBNull(6) ? null : StorePathHash.FromBytes(r.GetFieldValue<byte[]>(6))
            + (Text(r, 7) is { Length: > 0 } name ? $"-{name}" : ""),
        Detail = Text(r, 8) is { } detail ? JsonElement.Parse(detail) : null,
    };

    private static string? Text(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetString(column);

    private static string Print(DateTime at, long id) => string.Create(CultureInfo.InvariantCulture, $"{at.Ticks:x}-{id:x}");

    private static (DateTime? At, long? Id) Position(string? after)
    {
        if (after is null)
            return (null, null);
        if (after.Split('-') is [var at, var id]
            && long.TryParse(at, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var ticks) && ticks >= 0
                && ticks <= DateTime.MaxValue.Ticks
            && long.TryParse(id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number))
            return (new DateTime(ticks, DateTimeKind.Utc), number);
        throw new CacheProblemException(ProblemKind.BadRequest, "after is the 'next' of the page before.");
    }
}
