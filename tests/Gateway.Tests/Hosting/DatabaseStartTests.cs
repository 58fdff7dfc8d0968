using Npgsql;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

/// <summary>The program over a PostgreSQL whose settings hurt: it says so as it starts.</summary>
public sealed class DatabaseStartTests
{
    [Fact]
    public async Task Settings_that_hurt_are_told_at_the_start_a_line_each()
    {
        using var folder = new TempFolder();
        var postgres = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using (var connection = new NpgsqlConnection(postgres + ";Pooling=false"))
        {
            await connection.OpenAsync();
#pragma warning disable CA2100 // The test's own text.
            await using var command =
                new NpgsqlCommand(
                $"alter database \"{connection.Database}\" set statement_timeout = '20s'; alter database \"{connection.Database}\" set " +
                "synchronous_commit = off", connection);
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }

        await using var server = await ServerProcess.StartAsync(folder["data"], "--postgres", postgres);

        var lines = server.Errors.Split('\n').Where(line => line.Contains("database[", StringComparison.Ordinal)).ToList();
        Assert.Equal(3, lines.Count);
        Assert.Contains(lines, line => line.Contains("fsync = off", StringComparison.Ordinal)); // As all tests have it.
        Assert.Contains(lines, line => line.Contains("synchronous_commit = off", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains("statements off after 20 s (statement_timeout)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_private_PostgreSQL_gives_no_reason_to_warn()
    {
        using var folder = new TempFolder();

        await using var server = await ServerProcess.StartAsync(folder["data"]);

        Assert.DoesNotContain("database[", server.Errors, StringComparison.Ordinal);
    }
}
