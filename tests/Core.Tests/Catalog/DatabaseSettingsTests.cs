using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>What a server finds in the settings of its PostgreSQL that hurts.</summary>
public sealed class DatabaseSettingsTests
{
    [Theory]
    [InlineData("statement_timeout = '5s'", "breaks statements off after 5 s (statement_timeout)")]
    [InlineData("lock_timeout = 250", "lets statements fail that wait for others for 0.25 s (lock_timeout)")]
    [InlineData("idle_session_timeout = '2min'", "ends connections that were idle for 120 s (idle_session_timeout)")]
    [InlineData("idle_in_transaction_session_timeout = '10s'", "(idle_in_transaction_session_timeout)")]
    [InlineData("statement_timeout = '10min'", null)]
    [InlineData("idle_session_timeout = '1h'", null)]
    [InlineData("application_name = 'x'", null)]
    public async Task A_time_out_that_ends_what_the_server_does_is_told_and_a_long_one_is_not(string setting, string? told)
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using (var connection = new NpgsqlConnection(connectionString + ";Pooling=false"))
        {
            await connection.OpenAsync();
#pragma warning disable CA2100 // The test's own text.
            await using var command = new NpgsqlCommand($"alter database \"{connection.Database}\" set {setting}", connection);
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync();
        }

        await using var database = await CatalogDatabase.OpenAsync(connectionString, CancellationToken.None);
        var doubts = await DatabaseSettings.FindDoubtsAsync(database, CancellationToken.None);

        if (told is null)
            Assert.Empty(doubts);
        else
            Assert.Contains(told, Assert.Single(doubts), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_PostgreSQL_that_is_too_old_is_refused_in_a_sentence()
    {
        await using var proxy = new PostgresFaultProxy(await (await PostgresServer.Shared).CreateDatabaseAsync()) { Version = "14.9" };

        var e = await Assert.ThrowsAsync<CatalogVersionException>(() =>
            CatalogDatabase.OpenAsync(proxy.ConnectionString, CancellationToken.None));

        Assert.Contains("PostgreSQL 14.9 is too old", e.Message, StringComparison.Ordinal);
        Assert.Contains($"PostgreSQL ({DatabaseSettings.OldestVersion} or newer)",
            await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md")), StringComparison.Ordinal);
    }
}
