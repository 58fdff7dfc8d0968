using OrleansCache.Core.Collect.Order;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Collect;

public sealed class ScatterTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1_000)]
    [InlineData(65_536)]
    [InlineData(200_000)]
    public void Everything_comes_once(int count)
    {
        var all = Enumerable.Range(0, count).ToList();

        Assert.Equal(all, HeapPageSpread.NeighboursApart(all).Order());
    }

    [Fact]
    public void Of_twenty_neighbours_hardly_two_are_in_the_same_of_a_hundred_batches()
    {
        foreach (var batch in HeapPageSpread.NeighboursApart(Enumerable.Range(0, 100_000).ToList()).Chunk(1_000))
            Assert.InRange(batch.GroupBy(n => n / 20).Max(g => g.Count()), 1, 2);
    }

    [Fact]
    public void Referrers_come_first_however_far_neighbours_are_put_apart()
    {
        var random = new Random(1);
        var references = Enumerable.Range(0, 2_000)
            .ToDictionary(n => (long)n, n => Enumerable.Range(0, 3).Select(_ => (long)random.Next(n + 1)).ToArray());

        var order = ReferenceOrder.ReferrersFirst(references);

        var at = order.Select((id, i) => (id, i)).ToDictionary(o => o.id, o => o.i);
        Assert.Equal(references.Count, at.Count);
        Assert.All(references, r => Assert.All(r.Value, to => Assert.True(to == r.Key || at[r.Key] < at[to])));
    }

    [Fact]
    public async Task No_change_of_a_state_from_the_commit_to_the_deletion_writes_into_an_index()
    {
        await using var world = await World.CreateAsync();
        var fn = world.Core.Database.Functions;
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);

        // Counts of one transaction are exact.
        await using var life = await world.HoldAsync(
            $$"""
            select {{fn}}.commit_push(1, {{fn}}.push_of(1, '{{push.Id}}', null, true), interval '1 day');
            select {{fn}}.publish_record(array_agg(i.id), array_agg(i.generation), '{t}', '{}', '{}', '{}')
              from store_path s cross join {{fn}}.publish_intend(array[s.id], array[s.generation], '{}', '{}', interval '20 s', interval '3 s') i;
            select {{fn}}.finish_push(1, {{fn}}.push_of(1, '{{push.Id}}', null, true));
            select {{fn}}.gc_condemn_paths(1, 1, array_agg(id)) from store_path;
            select {{fn}}.gc_condemn_objects(1, 1, array_agg(id)) from object;
            select {{fn}}.gc_sweep_paths(1, 1, array_agg(id)) from store_path;
            select {{fn}}.delete_record_paths(1, array_agg(t.id), array_agg(t.generation), '{t}')
              from store_path s cross join {{fn}}.delete_take_paths(array[s.id], array[s.condemned_at], interval '20 s', interval '3 s') t;
            select {{fn}}.delete_record(1, array_agg(d.id), array_agg(d.generation)) from {{fn}}.gc_sweep_objects(1, 1, array(select id from object), interval '20 s', interval '1 day') d;
            """);

        await life.ExecuteAsync(
            """
            do $$
            declare
              v_states text;
              v_updates bigint;
              v_hot bigint;
            begin
              select (select state from store_path) || ' ' || (select state from object) into strict v_states;
              select sum(n_tup_upd), sum(n_tup_hot_upd) into v_updates, v_hot from pg_stat_xact_user_tables where relname in ('store_path', 'object');
              if v_states <> 'gone tombstone' or v_updates < 10 or v_hot <> v_updates then raise exception '%: % of % updates were HOT', v_states, v_hot, v_updates; end if;
            end $$
            """);
    }
}
