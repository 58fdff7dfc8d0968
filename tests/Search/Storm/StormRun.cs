using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using OrleansCache.Cli.Http;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>
/// Gateways as processes on one PostgreSQL and one S3, many pushers with overlapping closures, pins that move, a collector that hardly
/// waits, and gateways that are killed and stand still. 1. Start. 2. The storm. 3. Let everybody finish. 4. Nothing may be left that is
/// wrong.
/// </summary>
public sealed partial class StormRun : IAsyncDisposable
{
    // A closure that was pushed with other references is locked when it is met, out of order.
    private const int MaxDeadlocks = 5;

    private string[] _serverOptions = [];
    private readonly StormOptions _options;
    private readonly TextWriter _output;
    private readonly string _folder;
    private readonly StormReport _tally;
    private readonly RetryPolicy _retry;
    private int _actors;

    private StormRun(StormOptions options, TextWriter output)
    {
        (_options, _output) = (options, output);
        _folder = options.Folder ?? Directory.CreateTempSubdirectory("oc-storm-").FullName;
        Directory.CreateDirectory(_folder);
        _tally = new StormReport(_folder);
        _retry = new RetryPolicy
        {
            MaxDelay = TimeSpan.FromSeconds(3),
            OnRetry = (what, _) =>
            {
                _tally.Count("retries");
                _tally.Event($"again: {what}");
            },
        };
    }

    /// <summary>True when nothing was wrong. Prints a summary; when something was, also where to look closer.</summary>
    public static async Task<bool> RunAsync(StormOptions options, TextWriter output)
    {
        await using var storm = new StormRun(options, output);
        return await storm.RunAsync();
    }

    public ValueTask DisposeAsync()
    {
        _tally.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<bool> RunAsync()
    {
        Say($"storm: {_options.Minutes} min, seed {_options.Seed}, {_options.Pushers} pushers " +
            $"({string.Join(", ", _options.Clients).ToLowerInvariant()}), {_options.HostileClients} hostile, {_options.Gateways} " +
            $"{(_options.Orleans ? "silos" : "gateways")}, {_options.Caches} cache{(_options.Caches == 1 ? "" : "s")}; logs in {_folder}");
        // 1
        await using var postgres = await PostgresServer.StartAsync(settings: "max_connections=600");
        var database = await postgres.CreateDatabaseAsync();
        using var bucket = await ObjectBucket.CreateAsync();
        var universe = Universe.Make(_options.Seed, _options.Paths);
        await using var fleet = await Fleet.StartAsync(_options.Gateways, _options.Orleans, _options.From,
            _serverOptions = ["--postgres", database, .. bucket.ServerOptions]);
        using var balancer = new Balancer(fleet, _tally, NextRandom());
        using var http = new HttpMessageInvoker(balancer, disposeHandler: false);
        using var store = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
        using var s3 = (await CephServer.Shared).CreateClient();
        await using var catalog = NpgsqlDataSource.Create(database);
        var world = new StormWorld(_options, _tally, fleet, http, store, bucket, s3, _retry, new NixHolds(catalog, _retry), universe,
            NextRandom);
        var caches = new List<StormCache> { await StormCache.OpenDefaultAsync(world) };
        for (var number = 2; number <= _options.Caches; number++)
            caches.Add(await StormCache.MakeAsync(world, string.Create(CultureInfo.InvariantCulture, $"other-{number}")));
        var all = Stopwatch.StartNew();
        try
        {
            // 2 and 3
            var sabotage = _options.SabotageAfter is { } seconds ? Sabotage.RunAsync(TimeSpan.FromSeconds(seconds), caches[0], s3,
                bucket.Name, _tally, _tally.Violated) : Task.CompletedTask;
            var storms = new List<CacheStorm>();
            foreach (var cache in caches)
                storms.Add(await CacheStorm.GatherAsync(world, cache));
            await StormAsync(world, postgres, catalog, storms, await new HostileClients(world, caches).GatherAsync());
            await sabotage;
            // What is held for hours would be what the last collection leaves, and what a rotation waits for.
            await world.Holds.LapseAllAsync(CancellationToken.None);
            // 4
            foreach (var cache in caches)
            {
                if (!cache.IsDefault && _tally[$"refused for the quota: {cache.Name}"] == 0)
                    _tally.Violation($"nobody has met the quota of cache {cache.Name}, so nothing was seen of it");
                if (_tally.Violations.Count == 0)
                    await new LastChecks(_options, _tally, fleet, cache, caches, Say).RunAsync(NextRandom());
            }
        }
        catch (Exception e)
        {
            _tally.Violation($"the storm itself failed: {e}");
        }

        // Each is healed by sending the statement again, a second later.
        // A migration changes tables in an order of its own, and has no part in this.
        var deadlocks = postgres.Log.Split("ERROR:  deadlock detected").Skip(1)
            .Select(report => report.Split("STATEMENT:")[0])
            .Where(report => !report.Split("HINT:")[0].Contains("AccessExclusiveLock", StringComparison.Ordinal)).ToList();
        _tally.Count("deadlocks", deadlocks.Count);
        if (deadlocks.Count > MaxDeadlocks)
            _tally.Violation($"I8: {deadlocks.Count} deadlocks: some function takes its locks in another order than the others: " +
                string.Join("; ", deadlocks.Select(DeadlockText).Distinct()));
        if (_options.From is null && _tally["answers 500"] > 0)
            _tally.Violation($"{_tally["answers 500"]} answers 500: the gateways' logs have their reasons");
        Report(all.Elapsed);
        var well = _tally.Violations.Count == 0;
        if (well && _options.Folder is null)
        {
            Directory.Delete(_folder, recursive: true);
            return true;
        }

        await Evidence.SaveAsync(_folder, postgres, database, bucket);
        fleet.SaveLogs(_folder);
        if (well)
            return true;
        Say($"What is needed to look closer is in {_folder}: events.log, gateway-N.log, postgres.log, catalog.sql, keys.txt. The same " +
            $"choices again: --seed {_options.Seed}");
        return false;
    }

    private async Task StormAsync(StormWorld world, PostgresServer postgres, NpgsqlDataSource catalog, IReadOnlyList<CacheStorm> storms,
        IReadOnlyList<HostileClient> hostile)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_tally.Violated);
        var stopped = _tally.Violated;
        _tally.PushingBegins();
        var users = storms.Select(storm => storm.RunAsync(end.Token, stopped)).ToList();
        var chaos = new Chaos(world.Fleet, _options.Orleans, _tally, NextRandom()).RunAsync(end.Token);

        var length = TimeSpan.FromMinutes(_options.Minutes);
        end.CancelAfter(length);
        if (_options.From is not null)
            await RollAsync(world.Fleet, catalog, length / 3, end.Token);
        // Another build is not bound to what ours keeps from them.
        List<Task> attacking = [.. hostile.Select(client => client.RunAsync(end.Token, stopped))];
        if (_options.Orleans)
            await RestartPostgresAsync(postgres, length / 2, end.Token);
        await chaos;
        _tally.PushingEnds();
        Say("the storm is over; those who push finish");
        await Task.WhenAll([.. users, .. attacking]);
    }

    private async Task RollAsync(Fleet fleet, NpgsqlDataSource catalog, TimeSpan after, CancellationToken end)
    {
        await Task.Delay(after, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // Whatever has been wrong, the last checks are for our programs.
        await fleet.RollAsync(_options.Orleans, _serverOptions, MigrateAsync, _tally);

        async Task MigrateAsync()
        {
            (await ProcessRunner.RunAsync(BuiltProgram.Server, ["--migrate", .. _serverOptions])).OrThrow();
            // A build from before there were groups has made tokens without: of one rank, each would be in the others' way.
            await using var command =
                catalog.CreateCommand($"update token set trust_group = '{Pushers.Fleet}' where name not like 'hostile-%'");
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    private async Task RestartPostgresAsync(PostgresServer postgres, TimeSpan after, CancellationToken end)
    {
        await Task.Delay(after, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (end.IsCancellationRequested)
            return;
        _tally.Count("restarts of PostgreSQL");
        _tally.Event("PostgreSQL is killed and started again");
        await postgres.Kill9Async();
        await postgres.RestartAsync();
    }

    // The functions that waited for each other, and what the one that gave up waited for.
    private static string DeadlockText(string report) =>
        string.Join(" and ", FunctionOfCatalog().Matches(report).Select(m => m.Groups[1].Value)) +
        (report.Split("CONTEXT:") is [_, var context, ..] ? $" ({context.Split('\n')[0].Trim()})" : "");

    [GeneratedRegex(@"Process \d+: [^\n]*?\.([a-z_]+)\(")]
    private static partial Regex FunctionOfCatalog();

    private void Report(TimeSpan took)
    {
        var t = _tally;
        Say($"""
            {(t.Violations.Count == 0 ? "all was well" : $"{t.Violations.Count} VIOLATIONS")}   seed {_options.Seed}, {took.TotalSeconds:0} s
            pushes     {t["pushes"]} done ({string.Join(", ", t.Counts("pushes by ").Select(c => $"{c.Key["pushes by ".Length..]} {c.Value}"))}), {t["given up"]} given up, {t["begun again: missing-paths"]} begun again; {t["paths published"]} paths published, {t["NARs uploaded"]} NARs uploaded
            requests   {t["requests"]}, {t["retries"]} retries, {t["answers lost"]} answers lost on purpose, {t["answers 500"]} answers 500, {t["deadlocks"]} deadlocks
            gateways   {t["kills"]} kills, {t["stops"]} stops, {t["drains"]} drains; {t["restarts of PostgreSQL"]} restarts of PostgreSQL
            collector  {t["gc done"]} runs ({t["gc forced"]} forced), {t["gc cancelled"]} cancelled; {t["closures forgotten"]} closures forgotten, {t["condemned"]} condemned, {t["deleted"]} deleted, {t["deletions unconfirmed"]} unconfirmed
            pins       {t["pins pushed"]} pushed, {t["pins moved"]} moved, {t["pins rolled back"]} rolled back, {t["pins deleted"]} deleted
            checked    {t["walks"]} walks of pins ({t["walks of pins that moved"]} moved meanwhile), {t["narinfos checked"]} narinfos, {t["promises checked"]} promises, {t["commits checked"]} commits, {t["pins checked"]} pins
            honest     {t.Percentile(0.5).TotalSeconds:0.00} s for one push in the middle, {t.Percentile(0.99).TotalSeconds:0.00} s at the 99th percentile; {t["pinned declarations checked"]} pinned closures compared with what was declared
            hostile    {Hostile()}
            caches     {Others()}
            longest    {t.LongestWithoutPush.TotalSeconds:0.0} s without a push that succeeded, {t.LongestPush.TotalSeconds:0.0} s for one push
            other      {string.Join(", ", t.Counts("uploads rejected").Concat(t.Counts("begun again")).Concat(t.Counts("pins refused")).Concat(t.Counts("end:")).Select(c => $"{c.Key} {c.Value}"))}
            """);
        foreach (var violation in t.Violations.Take(10))
            Say($"VIOLATION {violation}");
    }

    // Of each beside the default one.
    private string Others() => _options.Caches == 1 ? "the default one alone"
        : string.Join("; ", Enumerable.Range(2, _options.Caches - 1).Select(number => $"other-{number}").Select(name =>
            $"{name}: {_tally[$"pushes to {name}"]} pushes, {_tally[$"refused for the quota: {name}"]} refused for its quota, " +
            $"{_tally[$"keys rotated: {name}"]} keys rotated")) + $"; {_tally["crossings refused"]} crossings refused";

    // By kind, how the gateways answered.
    private string Hostile()
    {
        var kinds = _tally.Counts("hostile: ").Select(count => (Parts: count.Key.Split(": "), count.Value))
            .GroupBy(count => count.Parts[1], count => (Status: count.Parts[2], count.Value)).ToList();
        return string.Create(CultureInfo.InvariantCulture,
            $"{kinds.Sum(kind => kind.Sum(answer => answer.Value))} requests: ")
            + string.Join("; ",
                kinds.Select(kind =>
                string.Create(CultureInfo.InvariantCulture,
                $"{kind.Key} {kind.Sum(answer => answer.Value)} " +
                $"({string.Join(", ", kind.Select(answer => string.Create(CultureInfo.InvariantCulture, $"{answer.Status} {answer.Value}")))})")));
    }

    private Random NextRandom() => _options.RandomFor(_actors++);

    private void Say(FormattableString text) => Say(text.ToString(CultureInfo.InvariantCulture));

    private void Say(string text)
    {
        lock (_output)
            _output.WriteLine(text);
        _tally.Event(text);
    }
}
