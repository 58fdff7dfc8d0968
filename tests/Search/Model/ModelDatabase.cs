using System.Globalization;
using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Testing;

namespace OrleansCache.Model.Tests;

/// <summary>
/// A database of the real PostgreSQL for one schedule after the other. Its clock_timestamp() is one that a schedule can set forward: the
/// search path finds it before the built-in one.
/// </summary>
internal sealed class ModelDatabase : IAsyncDisposable
{
    private const string Clock = """
        create schema model;
        create table model.clock (shift interval not null);
        insert into model.clock values ('0');
        create function model.clock_timestamp() returns timestamptz language sql volatile as 'select pg_catalog.clock_timestamp() + shift from model.clock';
        """;

    // Deleting few rows is quicker than truncating; now and then what was deleted is cleared away.
    private const string Clear = """
        delete from push; delete from push_path; delete from push_object; delete from root; delete from pin; delete from pin_revision; delete from pin_operation;
        delete from gc_run; delete from object; delete from store_path; delete from moving_path; delete from moving_object; delete from tombstone; delete from nar_alias; delete from nix_pending; delete from kept_object; delete from unsigned_path; delete from eviction; delete from bar; delete from verification; delete from proof; delete from audit; delete from boundary; delete from upstream_path; delete from publisher; delete from trust_group; update gc_epoch set g = 1; update model.clock set shift = '0';
        select setval('push_id_seq', 1, false), setval('object_id_seq', 1, false), setval('store_path_id_seq', 1, false), setval('gc_run_id_seq', 1, false), setval('pin_id_seq', 1, false), setval('publisher_id_seq', 1, false), setval('trust_group_id_seq', 1, false);
        """;

    private const int SchedulesBetweenTruncations = 100;
    private readonly NpgsqlConnection _connection;
    private readonly List<CatalogDatabase> _catalogs;
    private readonly NpgsqlBatch _read;
    private int _schedules;

    private ModelDatabase(string connectionString, NpgsqlConnection connection, List<CatalogDatabase> catalogs)
    {
        (ConnectionString, _connection, _catalogs) = (connectionString, connection, catalogs);
        _read = new NpgsqlBatch(connection);
        foreach (var query in CatalogState.Queries)
            _read.BatchCommands.Add(new NpgsqlBatchCommand(query));
    }

    public string ConnectionString { get; }

    /// <summary>One for each gateway.</summary>
    public IReadOnlyList<CatalogDatabase> Catalogs => _catalogs;

    /// <param name="patch">A mutant of the catalog's functions.</param>
    public static async Task<ModelDatabase> CreateAsync(int gateways, Func<string, string>? patch = null)
    {
        var server = await PostgresServer.Shared;
        var settings = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync())
        {
            SearchPath = "model,pg_catalog,public",
            Options = "-c synchronous_commit=off",
        };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        await ExecuteAsync(connection, Clock);
        var catalogs = new List<CatalogDatabase>();
        for (var i = 0; i < gateways; i++)
        {
            var catalog = await CatalogDatabase.OpenAsync(settings.ConnectionString, CancellationToken.None, patch);
            catalog.BeforeStatement = static (sql, cancellationToken) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                return Turns.ReachAsync(Brief(sql));
            };
            catalogs.Add(catalog);
        }

        var database = new ModelDatabase(settings.ConnectionString, connection, catalogs);
        await database._read.PrepareAsync();
        return database;
    }

    public async Task ClearAsync(VerifyPolicy policy)
    {
        if (_schedules++ % SchedulesBetweenTruncations == 0)
            await ExecuteAsync(_connection,
                "truncate push, push_path, push_object, root, pin, pin_revision, pin_operation, gc_run, object, store_path, moving_path, " +
                "moving_object, tombstone, nar_alias, nix_pending, kept_object, unsigned_path, eviction, bar, verification, proof, " +
                "audit, boundary, upstream_path, publisher, trust_group");
        await ExecuteAsync(_connection, Clear);
        await ExecuteAsync(_connection,
            $"update cache set verify = '{OutcomeText.Of(policy)}', scrubbed = 0, scrub_began = null, scrub_lease = null");
    }

    public Task SetClockAsync(TimeSpan shift) =>
        ExecuteAsync(_connection,
            string.Create(CultureInfo.InvariantCulture, $"update model.clock set shift = make_interval(secs => {shift.TotalSeconds})"));

    public async Task<CatalogState> ReadAsync()
    {
        await using var reader = await _read.ExecuteReaderAsync();
        return await CatalogState.ReadAsync(reader);
    }

    public async ValueTask DisposeAsync()
    {
        await _read.DisposeAsync();
        await _connection.DisposeAsync();
        foreach (var catalog in _catalogs)
            await catalog.DisposeAsync();
    }

    // The function's name says it.
    private static string Brief(string sql)
    {
        var at = sql.IndexOf("@fn@.", StringComparison.Ordinal);
        return at >= 0 ? sql[(at + 5)..sql.IndexOf('(', at)] : sql.Length > 60 ? sql.Trim()[..60].ReplaceLineEndings(" ") : sql;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // Our own text.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }
}
