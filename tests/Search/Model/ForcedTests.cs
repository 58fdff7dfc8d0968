using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Model.Tests;

/// <summary>
/// Two rows of the table of readings need two statements in the database at once, which schedules of one step at a time never have.
/// </summary>
public sealed class ForcedTests
{
    private const int Cache = 1;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_promise_that_waited_for_a_barrier_carries_the_new_number_unless_lock_and_read_are_one_statement(bool isMutant)
    {
        await using var database = await ModelDatabase.CreateAsync(1, isMutant ? text => Replace(text,
            "perform pg_advisory_xact_lock_shared(20291, p_cache);\n  select e.g into strict g from gc_epoch e where e.cache_id = " +
                "p_cache;\n  unpromised",
            "select e.g into strict g from (select pg_advisory_xact_lock_shared(20291, p_cache)) l cross join gc_epoch e where " +
                "e.cache_id = p_cache;\n  unpromised") : null);
        var catalog = database.Catalogs[0];
        await LivePathAsync(database);

        await using var barrier = await HoldAsync(database, $"select {catalog.Functions}.gc_barrier({Cache}, 0, '')");
        var promise = catalog.SingleAsync("select g from @fn@.touch($1, array(select id from store_path))", p =>
            p.Add(new NpgsqlParameter { Value = Cache }), r => r.GetInt64(0), CancellationToken.None);
        await UntilBlockedAsync(catalog);
        await barrier.DisposeAsync();

        Assert.Equal(isMutant ? 1 : 2, await promise);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_path_that_a_push_is_taking_just_now_is_not_condemned_unless_the_guard_reads_leases_in_another_table(bool isMutant)
    {
        await using var database = await ModelDatabase.CreateAsync(1, isMutant ? text => Replace(text,
            "s.state = 'live' and s.touched <= p_g returning",
            "s.state = 'live' and not exists (select from push u where u.state = 'open' and s.id = any(u.paths)) returning",
            "perform 1 from store_path s where s.id = any(p_ids) order by s.id for no key update;\n  with condemned as (\n    update " +
                "store_path s set state = 'condemned'", "with condemned as (\n    update store_path s set state = 'condemned'") : null);
        var catalog = database.Catalogs[0];
        await LivePathAsync(database);
        var run = await catalog.SingleAsync("select @fn@.gc_barrier($1, 0, '')", p => p.Add(new NpgsqlParameter { Value = Cache }), r =>
            r.GetInt64(0), CancellationToken.None);

        await using var push = await HoldAsync(database,
            $"select {catalog.Functions}.open_push({Cache}, 'p', '', '1 hour', array(select hash from store_path), array[1], '{{}}', " +
                "null, gen_random_uuid(), 'p', 'p', 0, null)");
        var condemned = catalog.SingleAsync("select @fn@.gc_condemn_paths($1, $2, array(select id from store_path))",
            p => p.AddRange(new[] { new NpgsqlParameter { Value = Cache }, new NpgsqlParameter { Value = run } }), r => r.GetInt32(0),
                CancellationToken.None);
        await UntilBlockedAsync(catalog);
        await push.DisposeAsync();

        Assert.Equal(isMutant ? 1 : 0, await condemned);
    }

    /// <summary>
    /// What another supersedes between the two halves of a commit, of the same rank, the commit has to tell: it stays as it is.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_commit_tells_what_an_equal_rank_took_between_its_halves(bool isOfItsGroup)
    {
        await using var database = await ModelDatabase.CreateAsync(2);
        using var schedule = await Schedule.BeginAsync(database,
            new Setting(Universe.All.First(u => u.Name == "two builders"), Retains: false), Mutant.None);
        await schedule.DoAsync(Mutants.Start(Mutants.Push(1, "b") with { By = Party.Carol }));
        await schedule.DoAsync(Mutants.Start(Mutants.Push(4, "b") with { By = isOfItsGroup ? Party.Dan : Party.Dora }));
        await schedule.DoAsync(Mutants.Start(Mutants.Push(6, "b") with { By = Party.Dan, Builder = 1 }));

        await schedule.FinishAsync(toNothing: false);
    }

    /// <summary>
    /// What another group has published on a lower rank's word, stock Nix sends again; then its credential's rank vouches for it, as a push's
    /// does.
    /// </summary>
    [Fact]
    public async Task A_narinfo_of_stock_Nix_vouches_for_what_is_there()
    {
        await using var database = await ModelDatabase.CreateAsync(2);
        using var schedule = await Schedule.BeginAsync(database,
            new Setting(Universe.All.First(u => u.Name == "two builders"), Retains: false), Mutant.None);
        var copy = new NixOperation(1, "b", 0, 0, Compresses: false, Remembers: false, NixLog.None, Breaks: false) { By = Party.Carol };
        await schedule.DoAsync(Mutants.Do(copy));
        await schedule.DoAsync(Mutants.Do(copy with { Id = 2, By = Party.Dora }));
        await schedule.DoAsync(Mutants.Do(Mutants.Push(4, "b") with { By = Party.Dan, Builder = 1 }));

        await schedule.FinishAsync(toNothing: false);
    }

    /// <summary>Until then its narinfo prints the name that somebody of a lower rank gave its reference.</summary>
    [Theory]
    [InlineData(VerifyPolicy.Off)]
    [InlineData(VerifyPolicy.Adopt)]
    public async Task The_commit_mends_the_names_of_references_that_the_push_brings(VerifyPolicy policy)
    {
        await using var database = await ModelDatabase.CreateAsync(2);
        using var schedule = await Schedule.BeginAsync(database,
            new Setting(Universe.All.First(u => u.Name == "two builders"), Retains: false) { Policy = policy }, Mutant.None);
        await schedule.DoAsync(Mutants.Do(new NixOperation(1, "c", 1, 1, Compresses: false, Remembers: false, NixLog.None, Breaks: false)
        {
            By = Party.Mallory,
            Lie = new Lie(LieKind.Name, "b"),
        }));
        await schedule.DoAsync(Mutants.Start(Mutants.Push(2, "c") with { By = Party.Dora, Renews = true }));
        await schedule.FinishAsync(toNothing: false);
    }

    private static async Task LivePathAsync(ModelDatabase database)
    {
        var schedule = await Schedule.BeginAsync(database, new Setting(Universe.All[0], Retains: false), Mutant.None);
        await schedule.DoAsync(new StartDecision(new PushOperation(1, "a", 0, null, PushEnd.Commit, Renews: false, Replays: false),
            AtOnce: true));
    }

    /// <summary>A transaction that has done this and holds its locks until it is disposed of, which commits it.</summary>
    private static async Task<Holder> HoldAsync(ModelDatabase database, string sql)
    {
        var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
#pragma warning disable CA2100 // A test's own text.
        await using var command = new NpgsqlCommand(sql, connection, transaction);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
        return new Holder(connection, transaction);
    }

    private static Task UntilBlockedAsync(CatalogDatabase catalog) => Eventually.BecomesTrueAsync(async () => await catalog.SingleAsync(
        "select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()",
        static _ => { }, r => r.GetInt64(0), CancellationToken.None) > 0);

    private static string Replace(string text, params string[] changes)
    {
        foreach (var change in changes.Chunk(2))
        {
            Assert.Contains(change[0], text, StringComparison.Ordinal);
            text = text.Replace(change[0], change[1], StringComparison.Ordinal);
        }

        return text;
    }

    private sealed class Holder(NpgsqlConnection connection, NpgsqlTransaction transaction) : IAsyncDisposable
    {
        private bool _done;

        public async ValueTask DisposeAsync()
        {
            if (_done)
                return;
            _done = true;
            await transaction.CommitAsync();
            await connection.DisposeAsync();
        }
    }
}
