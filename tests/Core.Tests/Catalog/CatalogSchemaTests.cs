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

        var databases = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CatalogDatabase.OpenAsync(connectionString, CancellationToken.None)));

        Assert.Single(databases.Select(d => d.Functions).Distinct());
        Assert.Equal(1, await databases[0].SingleAsync("select count(*) from cache", _ => { }, r => r.GetInt64(0), CancellationToken.None));
        Assert.Equal(
            await databases[0].SingleAsync("select count(*) from schema_version", _ => { }, r => r.GetInt64(0), CancellationToken.None),
            await databases[0].SingleAsync("select max(version)::bigint from schema_version", _ => { }, r => r.GetInt64(0), CancellationToken.None));
        foreach (var database in databases)
            await database.DisposeAsync();
    }

    [Fact]
    public async Task A_database_of_a_newer_version_is_refused_in_a_sentence()
    {
        var connectionString = await (await PostgresServer.Shared).CreateDatabaseAsync();
        await using (var database = await CatalogDatabase.OpenAsync(connectionString, CancellationToken.None))
            await database.RunAsync("insert into schema_version (version, name) values (1000, 'future')", _ => { }, CancellationToken.None);

        var problem = await Assert.ThrowsAsync<CatalogVersionException>(() => CatalogDatabase.OpenAsync(connectionString, CancellationToken.None));

        Assert.Contains("newer", problem.Message, StringComparison.Ordinal);
    }
}
