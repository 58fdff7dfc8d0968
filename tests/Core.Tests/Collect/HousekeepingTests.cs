using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Collect.ScheduleSteps;
using static OrleansCache.Testing.MemoryObjectStore;

namespace OrleansCache.Core.Tests.Collect;

/// <summary>What goes on behind the requests keeps up, whatever it has to delete.</summary>
public sealed class HousekeepingTests
{
    [Fact]
    public async Task A_deletion_that_takes_long_keeps_no_commit_waiting()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);
        await world.AbortAsync(await world.BeginAsync(World.Chain("b")));
        var deleting = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        world.Store.OnWrite = async (what, _) =>
        {
            if (what == "delete")
            {
                deleting.TrySetResult();
                await goOn.Task;
            }

            return Answer.Normal;
        };
        var clock = new ManualClock(DateTimeOffset.UtcNow);
        await using var other = await StartAsync(world, clock, housekeeping: true);
        await Eventually.BecomesTrueAsync(() => Tick(deleting.Task.IsCompleted));

        try
        {
            await world.ExecuteAsync(
                $"select {world.Core.Database.Functions}.commit_push(1, {world.Core.Database.Functions}.push_of(1, '{push.Id}', null, " +
                "true), interval '0 s')");
            await Eventually.BecomesTrueAsync(async () =>
                Tick(await world.QueryAsync<bool>($"select state = 'committed' from push where public_id = '{push.Id}'")));
        }
        finally
        {
            goOn.SetResult();
        }

        Assert.NotNull(world.NarInfoOf("a"));

        bool Tick(bool done)
        {
            clock.MoveTo(clock.GetUtcNow() + TimeSpan.FromSeconds(10));
            return done;
        }
    }

    [Fact]
    public async Task A_turn_reads_what_is_due_and_not_what_is_there()
    {
        await using var world = await World.CreateAsync();
        await world.ChangeAsync(
            """
            insert into object (cache_id, key, kind, state, touched, nar_hash, url_expires)
            select 1, 'nar/' || i, 'nar', (case when i % 50 = 0 then 'tombstone' else 'live' end)::node_state, 1, '', clock_timestamp() from generate_series(1, 20000) i
            """);
        await world.ExecuteAsync(
            """
            insert into push (cache_id, operation, digest, state, expires, finished, paths, roots)
            select 1, 'push ' || i, '', 'committed', clock_timestamp(), clock_timestamp(), '{}', '{}' from generate_series(1, 20000) i
            """);
        await world.ExecuteAsync(
            "insert into pin_operation (cache_id, operation, digest, name) select 1, 'pin ' || i, '', 'app' from generate_series(1, 20000) i");
        await world.ExecuteAsync("analyze object, push, pin_operation");
        var fn = world.Core.Database.Functions;
        // Counts of one transaction are exact.
        await using var turn = await world.HoldAsync(
            $"""
            select {fn}.delete_take(1, interval '20 s', interval '3 s', interval '1 day', 1000);
            select {fn}.forget_pushes(1);
            select {fn}.forget_pin_operations(1);
            select {fn}.end_pushes(1, null, interval '1 h', 100);
            select {fn}.lease_commits(1, null, interval '15 s', 100);
            """);

        await turn.ExecuteAsync(
            """
            do $$
            declare
              v_read bigint;
            begin
              select sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) into v_read from pg_stat_xact_user_tables where relname in ('object', 'moving_object', 'tombstone', 'push', 'pin_operation');
              if v_read > 100 then raise exception 'a turn has read % rows', v_read; end if;
            end $$
            """);
    }

    [Fact]
    public async Task A_run_whose_connection_is_cut_while_it_marks_is_gone_on_with()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        GcRun run;
        await using (await world.HoldAsync("lock table object"))
        {
            run = await world.Core.Collection.StartAsync(CacheName.Default, World.Everything, OperationId.New(), CancellationToken.None);
            await world.UntilBlockedAsync();
            await world.ExecuteAsync(
                "select pg_terminate_backend(pid) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname " +
                "= current_database()");
            await Eventually.BecomesTrueAsync(async () => await world.QueryAsync<long>(
                "select count(*) from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()") == 0);
        }

        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.TravelAsync(TimeSpan.FromMinutes(1));
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
            return (await world.Core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State != GcState.Running;
        });

        Assert.Equal(GcState.Done, (await world.Core.Collection.RunAsync(CacheName.Default, run.Id, CancellationToken.None)).State);
        Assert.Equal("gone", await world.StateOfAsync("a"));
    }
}
