using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Order;
using OrleansCache.Core.Collect.Sweep;
using OrleansCache.Core.Common;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;

namespace OrleansCache.Bench.Gc;

/// <summary>The benchmark <c>gc</c>: what loading and marking a graph costs and how it grows, beside recursive SQL over the same graph;
/// what condemning and sweeping costs;
/// and what pushes notice of a run.</summary>
internal static class GcBench
{
    private const int Cache = 1;
    private const int Small = 100_000;
    private const int Compared = 1_000_000;
    private const int Large = 10_000_000;
    private const double MarkSeconds = 12;
    private const double MarkMegabytes = 1024;
    private const double SweepSeconds = 20;
    private static readonly TimeSpan Retention = TimeSpan.FromHours(720);

    public static async Task<int> RunAsync(BenchOptions options)
    {
        var lab = new ServerLab(options, null);
        if (options.Against.Length > 0)
            return await AgainstBench.CollectAsync(lab, new[] { Small, Compared, Large }.Where(s => s <= (options.Largest ?? Compared)));
        await using var server = await lab.StartServerAsync();
        var sizes = options.Largest is { } limit ? new[] { Small, Compared, Large }.Where(s => s <= limit).ToArray()
            : [Small, Compared, Large];
        var targets = new List<Target>();
        var rows = new JsonArray();
        var output = options.Json ? Console.Error : Console.Out;
        await output.WriteLineAsync($"{"nodes",12} {"paths",10} {"edges",12} {"load+mark",10} {"peak",9}");
        foreach (var nodes in sizes)
        {
            var place = await server.CreateDatabaseAsync($"gc_{nodes}");
            var fill = new GraphFill(nodes);
            var marks = new List<MarkTime>();
            await using (var database = await CatalogDatabase.OpenAsync(place, CancellationToken.None))
            {
                await FillAsync(place, fill.WriteAsync);
                for (var i = 0; i < options.Runs; i++)
                    marks.Add(await MarkAsync(database));
            }

            var both = Stats.Median(marks.Select(m => m.Seconds));
            await output.WriteLineAsync(
                $"{nodes,12:N0} {marks[0].Paths,10:N0} {marks[0].Edges,12:N0} {both,8:0.00} s {marks.Max(m => m.PeakMegabytes),5:0} MiB");
            var row = new JsonObject
            {
                ["nodes"] = nodes,
                ["paths"] = marks[0].Paths,
                ["edges"] = marks[0].Edges,
                ["loadAndMark"] = both,
                ["peakMegabytes"] = marks.Max(m => m.PeakMegabytes)
            };
            rows.Add(row);

            if (nodes == Compared)
            {
                var byIds = await TimeAsync(place, """
                    with recursive walk(id) as (select path_id from root union select r from walk join store_path s on s.id = walk.id cross join unnest(s.refs) r),
                      used(id) as (select distinct unnest(s.objects) from walk join store_path s on s.id = walk.id)
                    select (select count(*) from store_path s where not exists (select from walk where walk.id = s.id)) + (select count(*) from object o where not exists (select from used where used.id = o.id))
                    """);
                await FillAsync(place, fill.WriteKeysAsync);
                var byKeys = await TimeAsync(place, """
                    with recursive walk(key, refs) as (select key, refs from closure_key where root union select k.key, k.refs from walk join closure_key k on k.key = any(walk.refs))
                    select count(*) from closure_key k where not exists (select from walk where walk.key = k.key)
                    """);
                await output.WriteLineAsync(
                    $"{"",12} recursive SQL over the same tables {byIds:0.0} s ({byIds / both:0.0}×), over keys and arrays of keys " +
                    $"{byKeys:0.0} s ({byKeys / both:0.0}×)");
                row["recursiveIds"] = byIds;
                row["recursiveKeys"] = byKeys;
                targets.Add(new Target("1,000,000 nodes: recursive SQL over the same tables", byIds / both, 4, "×", AtLeast: true));
                targets.Add(new Target("1,000,000 nodes: recursive SQL over keys", byKeys / both, 40, "×", AtLeast: true));
            }

            if (nodes == Large)
            {
                targets.Add(new Target("10,000,000 nodes: load and mark", both, MarkSeconds, "s"));
                targets.Add(new Target("10,000,000 nodes: peak memory", marks.Max(m => m.PeakMegabytes), MarkMegabytes, "MiB"));
            }

            var (condemned, seconds, written, sent) = await SweepAsync(place);
            await output.WriteLineAsync(
                $"{"",12} condemned and swept {condemned:N0} in {seconds:0.0} s; {sent.Keys:N0} keys sent, {sent.Twice:N0} of them more than once");
            await output.WriteLineAsync(
                $"{"",12} for each node {written.WalBytes / condemned:N0} bytes of WAL and {(double)written.Updates / condemned:0.0} " +
                $"updates, {written.Hot * 100.0 / written.Updates:0.0} % of them HOT");
            row["swept"] = condemned;
            row["sweepSeconds"] = seconds;
            row["sweepWalBytes"] = written.WalBytes;
            row["sweepHotShare"] = (double)written.Hot / written.Updates;
            if (nodes == Large)
            {
                targets.Add(new Target($"condemn and sweep {condemned:N0}", seconds, SweepSeconds, "s"));
                targets.Add(new Target("keys sent more than once", sent.Twice, 0, ""));
            }

            if (nodes == sizes[^1])
                row["pushes"] = await PushesDuringRun.MeasureAsync(place, output, targets);
        }

        foreach (var target in targets)
            await output.WriteLineAsync(target.ToString());
        if (options.Json)
            Console.Out.WriteLine(new JsonObject { ["sizes"] = rows, ["targets"] = new JsonArray([.. targets.Select(t => t.ToJson())]) }
                .ToJsonString());
        return options.Check && targets.Exists(t => !t.IsMet) ? 1 : 0;
    }

    /// <summary>Fills a catalog.</summary>
    public static async Task FillAsync(string place, Func<NpgsqlConnection, CancellationToken, Task> write)
    {
        await using var connection = new NpgsqlConnection(place);
        await connection.OpenAsync();
        await write(connection, CancellationToken.None);
        // As autovacuum leaves it in the end.
        await using var vacuum = new NpgsqlCommand("vacuum analyze", connection) { CommandTimeout = 0 };
        await vacuum.ExecuteNonQueryAsync();
    }

    private static async Task<MarkTime> MarkAsync(CatalogDatabase database)
    {
        // What the run before has left must not count; its end has led straight to here, and its thread lets go of it only when it waits.
        await Task.Delay(100);
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        ProcFs.ForgetPeak();
        var pace = new GcPace(database);
        var begun = Stopwatch.GetTimestamp();
        var (graph, marks) = await new GcCatalog(database).MarkAsync(Cache, Retention, trace: false, pace, CancellationToken.None);
        var garbage = graph.GarbagePaths(marks).Count + graph.GarbageObjects(marks).Count;
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        if (garbage == 0)
            throw new BenchException("the graph has no garbage: it is not the one that was to be measured");
        return new MarkTime(seconds, graph.Paths, graph.Edges, ProcFs.PeakMegabytes(Environment.ProcessId));
    }

    private static async Task<(long Nodes, double Seconds, Written Written, CountingStore Sent)> SweepAsync(string place)
    {
        var store = new CountingStore();
        var progress = new GcProgress();
        await using var connection = new NpgsqlConnection(place);
        await connection.OpenAsync();
        await using (var checkpoint = new NpgsqlCommand("checkpoint", connection) { CommandTimeout = 0 })
            await checkpoint.ExecuteNonQueryAsync();
        var before = await Written.ReadAsync(connection);
        double seconds;
        // A backend tells its counts when its connection ends.
        await using (var database = await CatalogDatabase.OpenAsync(place, CancellationToken.None))
        {
            var catalog = new GcCatalog(database);
            var pushOptions = new PushOptions();
            var pace = new GcPace(database);
            var runner = new GcRunner(catalog, new PushCatalog(database), new Deletions(database, store, pushOptions, pace,
                NullLogger.Instance, new RefusedDeletions(TimeProvider.System, NullLogger.Instance)), pushOptions, new GcOptions(), pace);
            var g = await catalog.BarrierAsync(Cache, 0, "", CancellationToken.None);
            var garbage = await runner.MarkAsync(Cache, Retention, progress, CancellationToken.None);
            var begun = Stopwatch.GetTimestamp();
            await runner.CondemnAsync(Cache, g, Retention, garbage, progress, CancellationToken.None);
            await runner.SweepAsync(Cache, g, TimeSpan.Zero, progress, CancellationToken.None);
            seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        }

        if (progress.Deleted != progress.Condemned)
            throw new BenchException($"{progress.Condemned} nodes were condemned, {progress.Deleted} deleted");
        await Written.UntilToldAsync(connection);
        return (progress.Deleted, seconds, await Written.ReadAsync(connection) - before, store);
    }

    private static async Task<double> TimeAsync(string place, string sql)
    {
        await using var connection = new NpgsqlConnection(place);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        var begun = Stopwatch.GetTimestamp();
        await command.ExecuteScalarAsync();
        return Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    /// <summary>What PostgreSQL has written since it began to count.</summary>
    /// <param name="Updates">Of rows of paths and objects.</param>
    /// <param name="Hot">Those among them that wrote into no index.</param>
    private sealed record Written(long WalBytes, long Updates, long Hot)
    {
        public static async Task<Written> ReadAsync(NpgsqlConnection connection)
        {
            await using var command = new NpgsqlCommand("""
                select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint
                from pg_stat_user_tables where relname in ('store_path', 'object')
                """, connection);
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            return new Written(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2));
        }

        /// <summary>Returns when no other connection to the database is left.</summary>
        public static async Task UntilToldAsync(NpgsqlConnection connection)
        {
            await using var command =
                new NpgsqlCommand(
                "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()", connection);
            while ((long)(await command.ExecuteScalarAsync())! > 0)
                await Task.Delay(50); // A backend ends some time after its connection, and nothing tells of it.
        }

        public static Written operator -(Written now, Written then) => new(now.WalBytes - then.WalBytes, now.Updates - then.Updates,
            now.Hot - then.Hot);
    }

    private sealed record MarkTime(double Seconds, int Paths, int Edges, double PeakMegabytes);
}
