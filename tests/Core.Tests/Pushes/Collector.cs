namespace OrleansCache.Core.Tests.Pushes;

/// <summary>A garbage collection by the rules (lifecycle, 9 and 10), step by step and without a grace, for the schedules in which a push meets one.</summary>
internal sealed class Collector(World world)
{
    private long _run;
    private long[] _paths = [];
    private long[] _objects = [];

    /// <summary>Touches in flight have ended; from now on they stamp a higher number than this run's.</summary>
    public async Task BarrierAsync()
    {
        await world.ExecuteAsync("do $$ begin perform pg_advisory_xact_lock(20291, 1); update gc_epoch set g = g + 1; end $$");
        _run = await world.QueryAsync<long>("select g - 1 from gc_epoch");
    }

    /// <summary>In one snapshot: what the roots, pins, unexpired and committing pushes, and paths being published reach.</summary>
    public async Task MarkAsync()
    {
        const string Walk = """
            with recursive p as materialized (select * from push where state = 'committing' or state = 'open' and expires > clock_timestamp()),
              walk(id) as (
                select path_id from root union select unnest(paths) from p
                union select r.path_id from pin_revision r join pin on pin.id = r.pin_id where r.revision >= pin.kept_from
                union select d.path_id from push_path d join p on p.id = d.push_id and p.state = 'committing'
                union select id from store_path where state = 'publishing'
                union select r from walk join store_path s on s.id = walk.id cross join unnest(s.refs) r where s.state in ('live', 'publishing', 'condemned'))
            """;
        (_paths, _objects) = await world.Core.Database.SingleAsync(
            Walk + """
             select array(select id from walk), array(select unnest(s.objects) from walk join store_path s using (id) where s.state in ('live', 'publishing', 'condemned') union select unnest(objects) from p)
            """, _ => { }, r => (r.GetFieldValue<long[]>(0), r.GetFieldValue<long[]>(1)), CancellationToken.None);
    }

    /// <summary>Paths before objects, referrers before what they refer to, each in a transaction of its own.</summary>
    public async Task CondemnAsync()
    {
        foreach (var id in await ReferrersFirstAsync("live"))
        {
            if (!_paths.Contains(id))
                await world.ExecuteAsync($"update store_path set state = 'condemned', condemned_at = clock_timestamp() where id = {id} and state = 'live' and touched <= {_run}");
        }

        await world.ExecuteAsync($"""
            with o as materialized (select id from object where state = 'live' and touched <= {_run} and not id = any(array[{string.Join(',', _objects)}]::bigint[]) order by id for no key update)
            update object set state = 'condemned', condemned_at = clock_timestamp() where id in (select id from o) and state = 'live' and touched <= {_run}
            """);
    }

    /// <summary>What is condemned is deleted; the NARs by the next housekeeping.</summary>
    public async Task SweepAsync()
    {
        foreach (var id in await ReferrersFirstAsync("condemned"))
            await world.ExecuteAsync($"update store_path set state = 'deleting' where id = {id} and state = 'condemned' and touched <= {_run}");
        foreach (var id in await ReferrersFirstAsync("deleting"))
        {
            var hash = Nix.StorePathHash.FromBytes(await world.QueryAsync<byte[]>($"select hash from store_path where id = {id}"));
            world.Store.Objects.TryRemove($"{hash}.narinfo", out _);
            world.Store.Objects.TryRemove($"{hash}.ls", out _);
            await world.ExecuteAsync($"update store_path set state = 'gone', recorded = false where id = {id} and state = 'deleting'");
        }

        await world.ExecuteAsync($"""
            update object o set state = 'deleting' where state = 'condemned' and touched <= {_run}
              and not exists (select from store_path s where o.id = any(s.objects) and s.state in ('condemned', 'deleting'))
            """);
    }

    public async Task RunAsync()
    {
        await BarrierAsync();
        await MarkAsync();
        await CondemnAsync();
        await SweepAsync();
    }

    private async Task<List<long>> ReferrersFirstAsync(string state)
    {
        var rows = await world.Core.Database.ListAsync(
            $"select id, refs from store_path where state = '{state}'", _ => { }, r => (Id: r.GetInt64(0), References: r.GetFieldValue<long[]>(1)), CancellationToken.None);
        var references = rows.ToDictionary(r => r.Id, r => r.References);
        var done = new HashSet<long>();
        var ordered = new List<long>();
        foreach (var (id, _) in rows)
            Visit(id);
        ordered.Reverse();
        return ordered;

        void Visit(long id)
        {
            if (!references.TryGetValue(id, out var targets) || !done.Add(id))
                return;
            foreach (var target in targets)
                Visit(target);
            ordered.Add(id);
        }
    }
}
