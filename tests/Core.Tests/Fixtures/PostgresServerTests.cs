using Npgsql;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Fixtures;

public class PostgresServerTests
{
    [Fact]
    public async Task Committed_rows_survive_kill_9_and_a_restart()
    {
        await using var server = await PostgresServer.StartAsync();
        var database = await server.CreateDatabaseAsync() + ";Pooling=false";
        await ExecuteAsync(database, "CREATE TABLE t AS SELECT 42 AS answer");

        await server.Kill9Async();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(database, "SELECT 1"));
        await server.RestartAsync();

        Assert.Equal(42, await ExecuteAsync(database, "SELECT answer FROM t"));
    }

    [Fact]
    public async Task Each_database_is_new_and_empty()
    {
        var server = await PostgresServer.Shared;
        var first = await server.CreateDatabaseAsync();
        await ExecuteAsync(first, "CREATE TABLE t (x int)");

        var second = await server.CreateDatabaseAsync();

        Assert.Equal(0L, await ExecuteAsync(second, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"));
    }

    [PgBouncerFact]
    public async Task PgBouncer_gives_each_transaction_any_of_its_few_connections()
    {
        var server = await PostgresServer.Shared;
        await using var bouncer = await PgBouncer.StartAsync(server, poolSize: 2);
        await using var source = NpgsqlDataSource.Create(bouncer.Through(await server.CreateDatabaseAsync()));

        var backends = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            await using var command = source.CreateCommand("SELECT pg_backend_pid() FROM pg_sleep(0.01)");
            return (int)(await command.ExecuteScalarAsync())!;
        }));

        Assert.InRange(backends.Distinct().Count(), 1, 2);
    }

    private static async Task<object?> ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
