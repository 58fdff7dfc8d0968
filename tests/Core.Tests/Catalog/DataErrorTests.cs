using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

public class DataErrorTests
{
    [Theory]
    [InlineData("select $1::text", "a\0b")]
    [InlineData("select $1::bigint", "99999999999999999999")]
    [InlineData("select $1::interval", "99999999999 years")]
    public async Task A_value_that_the_database_cannot_keep_is_the_requests_fault(string sql, string value)
    {
        await using var database = await CatalogDatabase.OpenAsync(await (await PostgresServer.Shared).CreateDatabaseAsync(),
            CancellationToken.None);

        var refused = await Assert.ThrowsAsync<CacheProblemException>(() =>
            database.RunAsync(sql.Replace("$1", "$1::text", StringComparison.Ordinal), p => p.Add(new NpgsqlParameter { Value = value }),
            CancellationToken.None));

        Assert.Equal(ProblemKind.BadRequest, refused.Kind);
        Assert.Equal(1, database.StatementCount);
    }
}
