using Npgsql;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Gateway.Tests.Embedded;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

/// <summary>The forms in which an operator may name the database, and what is said when it cannot be used.</summary>
public class PostgresAddressTests
{
    [Theory]
    [InlineData("Host=db;Username=cache;Database=cache", "Host=db;Username=cache;Database=cache")]
    [InlineData("Host=/run/postgresql", "Host=/run/postgresql")]
    [InlineData("postgres://cache@db/cache", "Host=db;Username=cache;Database=cache")]
    [InlineData("postgresql://cache:p%40s%3As%2F@db:6432/ca%20che?sslmode=verify-full&connect_timeout=5",
        "Host=db;Port=6432;Username=cache;Password=p@s:s/;Database='ca che';SSL Mode=VerifyFull;Timeout=5")]
    [InlineData("postgres:///cache?host=/run/postgresql", "Host=/run/postgresql;Database=cache")]
    [InlineData("postgres://%2Frun%2Fpostgresql/cache", "Host=/run/postgresql;Database=cache")]
    [InlineData("postgres://[::1]:6432/cache", "Host=::1;Port=6432;Database=cache")]
    [InlineData("postgres://a:1,b/cache?target_session_attrs=primary",
        "Host='a:1,b:5432';Database=cache;Target Session Attributes=primary")]
    [InlineData("host=db user=cache dbname=cache", "Host=db;Username=cache;Database=cache")]
    [InlineData("host=a,b port=1,2 dbname=cache", "Host='a:1,b:2';Database=cache")]
    [InlineData(@"  host = db  password='it\'s a \\ secret' application_name='my cache' ",
        @"Host=db;Password=it's a \ secret;Application Name=my cache")]
    [InlineData("dbname=cache", "Host=localhost;Database=cache")]
    [InlineData("host=db sslmode=verify-ca sslrootcert=system", "Host=db;SSL Mode=VerifyCA")]
    public void Npgsqls_form_and_both_of_libpq_are_understood(string given, string meant) =>
        Assert.True(new NpgsqlConnectionStringBuilder(meant).EquivalentTo(new NpgsqlConnectionStringBuilder(PostgresAddress.Parse(given))),
            PostgresAddress.Parse(given));

    [Theory]
    [InlineData("cache")]
    [InlineData("Username=cache")]
    [InlineData("Host=db;Prot=5432")]
    [InlineData("Host=db Username=cache")]
    [InlineData("host=db krbsrvname=x")]
    [InlineData("host='db")]
    [InlineData("postgres://db/cache?sslmode=maybe")]
    [InlineData("postgres://cache:very-secret@db:x/cache")]
    public void What_is_of_no_form_is_refused_with_the_forms_and_without_the_password(string given)
    {
        var e = Assert.Throws<StartupException>(() => PostgresAddress.Parse(given));

        Assert.Contains("'postgres://cache@db/cache' or 'host=db user=cache dbname=cache'", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("28P01", "Mend the role or its password in --postgres")]
    [InlineData("3D000", "create database \"store\" owner \"cache\"")]
    [InlineData("42501", "alter database \"store\" owner to \"cache\"")]
    [InlineData("25006", "connect to the primary")]
    [InlineData("XX000", "Look at its log")]
    public void What_the_database_refuses_at_the_start_is_told_with_what_to_do(string state, string advice)
    {
        var e = PostgresTrouble.Tell("Host=db;Username=cache;Password=very-secret;Database=store",
            new PostgresException("no\nway", "FATAL", "FATAL", state));

        Assert.StartsWith("PostgreSQL cannot be used (db:5432, database store, role cache): no way. ", e.Message, StringComparison.Ordinal);
        Assert.Contains(advice, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("very-secret", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_role_that_owns_nothing_a_database_that_is_not_there_and_a_port_where_nobody_listens_exit_2_with_a_sentence()
    {
        var server = await PostgresServer.Shared;
        var good = new NpgsqlConnectionStringBuilder(await server.CreateDatabaseAsync());
        await using var source = NpgsqlDataSource.Create(good.ConnectionString);
        await using var command = source.CreateCommand("create role owner_of_nothing login");
        await command.ExecuteNonQueryAsync();
        (string Postgres, string Says)[] wrong =
        [
            ($"host={good.Host} port={good.Port} dbname={good.Database} user=owner_of_nothing",
                $"alter database \"{good.Database}\" owner to \"owner_of_nothing\""),
            (new NpgsqlConnectionStringBuilder(good.ConnectionString) { Database = "nowhere" }.ConnectionString,
                "create database \"nowhere\""),
            ($"postgres://cache@127.0.0.1:{FreePort.Next()}/cache", "Does it run there, and is --postgres right?"),
        ];
        using var folder = new TempFolder();

        foreach (var (postgres, says) in wrong)
        {
            var (exit, _, errors) = await ServerProcess.RunAsync(null, "--data", folder["data"], "--listen", "127.0.0.1:0",
                "--postgres", postgres);

            Assert.Equal(2, exit);
            Assert.Contains(says, EmbeddedServerTests.Sentence(errors), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_server_runs_on_a_database_that_is_named_as_libpq_names_it()
    {
        var good = new NpgsqlConnectionStringBuilder(await (await PostgresServer.Shared).CreateDatabaseAsync());
        using var folder = new TempFolder();
        await using var server = await ServerProcess.StartAsync(folder["data"], "--postgres",
            $"postgres://{good.Username}@{Uri.EscapeDataString(good.Host!)}:{good.Port}/{good.Database}");

        Assert.Equal("ok\n", await server.Client.GetStringAsync(new Uri("/readyz", UriKind.Relative)));
    }
}
