using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

public sealed class DatabaseAnswerTests
{
    [Theory]
    [InlineData("40001", 8, "same rows")]
    [InlineData("57P01", 8, "stopping or starting")]
    [InlineData("57P05", 8, "idle_session_timeout")]
    [InlineData("25P03", 8, "idle_in_transaction_session_timeout")]
    [InlineData("53300", 8, "max_connections")]
    [InlineData("25006", 8, "read-only")]
    [InlineData("57014", 2, "statement_timeout")]
    [InlineData("53200", 8, "memory")]
    [InlineData("53100", 1, "disk is full")]
    [InlineData("42501", 1, "denies")]
    [InlineData("42883", 1, "newer server")]
    [InlineData("58030", 1, "files")]
    [InlineData("53000", 1, "53000")]
    public async Task What_the_database_says_is_told_in_a_sentence_and_tried_again_where_that_may_help(string state, int attempts,
        string sentence)
    {
        await using var database = await OpenAsync();

        var told = await Assert.ThrowsAsync<CacheProblemException>(() => RaiseAsync(database, state));

        Assert.Equal(state == "53100" ? ProblemKind.DiskFull : ProblemKind.Unavailable, told.Kind);
        Assert.Contains(sentence, told.Message, StringComparison.Ordinal);
        Assert.Equal(attempts, database.StatementCount);
    }

    [Theory]
    [InlineData("XX000")]
    [InlineData("23502")]
    public async Task What_nobody_expects_is_told_as_a_fault(string state)
    {
        await using var database = await OpenAsync();

        Assert.Equal(state, (await Assert.ThrowsAsync<PostgresException>(() => RaiseAsync(database, state))).SqlState);
    }

    [Fact]
    public async Task A_statement_that_the_server_breaks_off_for_being_idle_is_sent_again()
    {
        await using var database = await OpenAsync(";Options=-c idle_session_timeout=100");
        await database.PingAsync(CancellationToken.None);
        var before = await BackendAsync(database);
        await Eventually.BecomesTrueAsync(async () => await BackendAsync(database) != before, describe: () => "another connection");
    }

    [Fact]
    public async Task A_read_only_database_keeps_pushes_from_succeeding_and_reads_go_on()
    {
        await using var database = await OpenAsync();
        await database.RunAsync(
            "do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$",
            static _ => { }, CancellationToken.None);
        var name = await database.SingleAsync("select current_database()", static _ => { }, r => r.GetString(0), CancellationToken.None);
        // The pooled connections go, as with a failover.
        await using (var admin = NpgsqlDataSource.Create((await PostgresServer.Shared).ConnectionString("postgres")))
        await using (var end = admin.CreateCommand($"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"))
            await end.ExecuteNonQueryAsync();

        await database.PingAsync(CancellationToken.None);
        Assert.Contains("read-only", await database.FindWriteTroubleAsync(TimeProvider.System, TimeSpan.FromSeconds(3),
            CancellationToken.None), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(40, "40 s ahead of")]
    [InlineData(-40, "40 s behind")]
    [InlineData(1, null)]
    public async Task A_clock_that_differs_from_the_databases_is_told(int ahead, string? sentence)
    {
        await using var database = await OpenAsync();

        var trouble = await database.FindWriteTroubleAsync(new Clock(TimeSpan.FromSeconds(ahead)), TimeSpan.FromSeconds(3),
            CancellationToken.None);

        Assert.Equal(sentence is not null, trouble?.Contains(sentence ?? "", StringComparison.Ordinal) ?? false);
    }

    private static Task RaiseAsync(CatalogDatabase database, string state) =>
        database.RunAsync($"do $$ begin raise exception 'as asked' using errcode = '{state}'; end $$", static _ => { },
            CancellationToken.None);

    private static Task<int> BackendAsync(CatalogDatabase database) => database.SingleAsync("select pg_backend_pid()", static _ => { }, r =>
        r.GetInt32(0), CancellationToken.None);

    private static async Task<CatalogDatabase> OpenAsync(string options = "") =>
        await CatalogDatabase.OpenAsync(await (await PostgresServer.Shared).CreateDatabaseAsync() + options, CancellationToken.None);

    private sealed class Clock(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ahead;
    }
}
