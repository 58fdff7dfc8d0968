using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

public sealed class DurabilityTests
{
    [Fact]
    public async Task A_standby_that_no_commit_waits_for_is_told_and_one_that_they_wait_for_is_not()
    {
        await using var postgres = await PostgresServer.StartAsync(durable: true);
        await using var database = await CatalogDatabase.OpenAsync(await postgres.CreateDatabaseAsync(), CancellationToken.None);
        Assert.Empty(await FindAsync());

        // To the primary this is a standby as any other: it takes the log as it is written.
        using var folder = new TempFolder("oc-standby-");
        await using var standby = ProcessRunner.Start(
            postgres.Program("pg_receivewal"), ["-h", postgres.SocketFolder, "-p", $"{postgres.Port}", "-U", "postgres", "-D", folder.Path,
                "--synchronous"], new Dictionary<string, string?> { ["PGAPPNAME"] = "standby" });
        await Eventually.BecomesTrueAsync(async () => (await FindAsync()).Count == 1);
        Assert.Contains("commits wait for none", Assert.Single(await FindAsync()), StringComparison.Ordinal);

        await SetAsync("alter system set synchronous_standby_names = 'standby'");
        await Eventually.BecomesTrueAsync(async () => (await FindAsync()).Count == 0);

        await SetAsync("alter system set synchronous_commit = 'local'");
        await Eventually.BecomesTrueAsync(async () => (await FindAsync()).Count == 1);

        Task<IReadOnlyList<string>> FindAsync() => Durability.FindDoubtsAsync(database, CancellationToken.None);
        async Task SetAsync(string setting)
        {
            await database.RunAsync(setting, _ => { }, CancellationToken.None);
            await database.RunAsync("select pg_reload_conf()", _ => { }, CancellationToken.None);
        }
    }

    [Theory]
    [InlineData("fsync=off")]
    [InlineData("synchronous_commit=off")]
    public async Task A_database_that_acknowledges_what_a_crash_takes_back_is_told(string setting)
    {
        await using var postgres = await PostgresServer.StartAsync(durable: true, settings: setting);
        await using var database = await CatalogDatabase.OpenAsync(await postgres.CreateDatabaseAsync(), CancellationToken.None);
        Assert.Contains(setting.Replace("=", " = ", StringComparison.Ordinal),
            Assert.Single(await Durability.FindDoubtsAsync(database, CancellationToken.None)), StringComparison.Ordinal);
    }
}
