using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

public sealed class CatalogSchemaTests
{
    [Fact]
    public async Task Many_processes_that_start_at_once_on_an_empty_database_migrate_it_once()
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();

        var databases = await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => CatalogDatabase.OpenAsync(connectionString, CancellationToken.None)));

        Assert.Single(databases.Select(d => d.Functions).Distinct());
        Assert.Equal(1, await databases[0].SingleAsync("select count(*) from cache", _ => { }, r => r.GetInt64(0), CancellationToken.None));
        Assert.Equal(
            await databases[0].SingleAsync("select count(*) from schema_version", _ => { }, r => r.GetInt64(0), CancellationToken.None),
            await databases[0].SingleAsync("select max(version)::bigint from schema_version", _ => { }, r => r.GetInt64(0),
                CancellationToken.None));
        foreach (var database in databases)
            await database.DisposeAsync();
    }

    [Fact]
    public async Task Rows_that_were_written_before_there_were_lists_are_listed()
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using (var source = NpgsqlDataSource.Create(connectionString))
        {
            await using var command = source.CreateCommand($"""
                create table schema_version (version int primary key, name text not null, applied timestamptz not null default clock_timestamp());
                {string.Join('\n', await MigrationsAsync(upTo: 3))}
                insert into schema_version (version, name) values (1, ''), (2, ''), (3, '');
                create schema orleans_cache_0123456789ab; create function orleans_cache_0123456789ab.f() returns int language sql as 'select 1';
                insert into store_path (cache_id, hash, name, state, recorded)
                  select 1, decode(lpad(to_hex(i), 40, '0'), 'hex'), 'p', (array['gone', 'publishing', 'live', 'condemned', 'deleting'])[i / 2 + 1]::node_state, i % 2 = 0 from generate_series(0, 9) i;
                insert into object (cache_id, key, kind, state, exclusive, claimed_at)
                  select 1, s::text, 'nar', s, s = 'claimed', case when s <> 'deleting' then clock_timestamp() end from unnest(enum_range(null::node_state)) s;
                """);
            await command.ExecuteNonQueryAsync();
        }

        await using var database = await CatalogDatabase.OpenAsync(connectionString, CancellationToken.None);

        Assert.Empty(await database.ListAsync(Lists.Unequal, _ => { }, r => r.GetString(0), CancellationToken.None));
        Assert.Equal(9, await database.SingleAsync(
            "select (select count(*) from moving_path) + (select count(*) from moving_object) + (select count(*) from tombstone)", _ => { },
                r => r.GetInt64(0), CancellationToken.None));
        Assert.Equal(1, await database.SingleAsync("select count(*) from pg_namespace where nspname ~ '^orleans_cache_'", _ => { }, r =>
            r.GetInt64(0), CancellationToken.None));
    }

    [Fact]
    public async Task An_upgrade_that_has_to_wait_for_a_backup_keeps_nobody_waiting_and_says_so()
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using var source = NpgsqlDataSource.Create(connectionString);
        await using (var command = source.CreateCommand($"""
            begin;
            create table schema_version (version int primary key, name text not null, applied timestamptz not null default clock_timestamp());
            {string.Join('\n', await MigrationsAsync(upTo: 9))}
            insert into schema_version (version, name) select v, '' from generate_series(1, 9) v;
            commit;
            """))
            await command.ExecuteNonQueryAsync();
        await using var backup = await source.OpenConnectionAsync();
        var snapshot = await backup.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("lock table push in access share mode", backup, snapshot))
            await command.ExecuteNonQueryAsync();
        var told = new TaskCompletionSource<string>();

        var upgrade = CatalogDatabase.OpenAsync(connectionString, CancellationToken.None, tell: what => told.TrySetResult(what));

        Assert.Contains("pg_dump", await told.Task.WaitAsync(TimeSpan.FromMinutes(1)), StringComparison.Ordinal);
        // A server of the version before goes on: no exclusive lock stands before it for long.
        await using var others = NpgsqlDataSource.Create(connectionString + ";Options=-c lock_timeout=10000");
        for (var i = 0; i < 20; i++)
        {
            await using var statement = others.CreateCommand("select count(*) from push");
            await statement.ExecuteNonQueryAsync();
        }

        await snapshot.CommitAsync();
        await using var database = await upgrade;
        Assert.False(await database.IsOutdatedAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_server_notices_that_a_newer_one_has_changed_the_schema()
    {
        await using var database = await CatalogDatabase.OpenAsync(await (await PostgresServer.Shared).CreateDatabaseAsync(),
            CancellationToken.None);
        Assert.False(await database.IsOutdatedAsync(CancellationToken.None));

        await database.RunAsync("insert into schema_version (version, name) values (1000, 'future')", _ => { }, CancellationToken.None);

        Assert.True(await database.IsOutdatedAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_database_of_a_newer_version_is_refused_in_a_sentence()
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using (var database = await CatalogDatabase.OpenAsync(connectionString, CancellationToken.None))
            await database.RunAsync("insert into schema_version (version, name) values (1000, 'future')", _ => { }, CancellationToken.None);

        var problem = await Assert.ThrowsAsync<CatalogVersionException>(() =>
            CatalogDatabase.OpenAsync(connectionString, CancellationToken.None));

        Assert.Contains("newer", problem.Message, StringComparison.Ordinal);
    }

    private static async Task<List<string>> MigrationsAsync(int upTo)
    {
        var assembly = typeof(CatalogDatabase).Assembly;
        var texts = new List<string>();
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.Contains(".Migrations.", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Take(upTo))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            texts.Add(await reader.ReadToEndAsync());
        }

        return texts;
    }
}
