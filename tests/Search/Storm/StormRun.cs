using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.EndToEnd.Tests.Trust;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>
/// Gateways as processes on one PostgreSQL and one S3, many pushers with overlapping closures, pins that move, a collector that hardly
/// waits, and gateways that are killed and stand still. 1. Start. 2. The storm. 3. Let everybody finish. 4. Nothing may be left that is
/// wrong.
/// </summary>
public sealed class StormRun : IAsyncDisposable
{
    private const int PinsOfOne = 12;
    private const int PinsOfTwo = 6;
    private const int Readers = 3;
    // A closure that was pushed with other references is locked when it is met, out of order.
    private const int MaxDeadlocks = 5;

    private string[] _serverOptions = [];
    private readonly StormOptions _options;
    private readonly TextWriter _output;
    private readonly string _folder;
    private readonly StormReport _tally;
    private readonly RetryPolicy _retry;
    private readonly Committed _committed = new();
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
            $"{(_options.Orleans ? "silos" : "gateways")}; logs in {_folder}");
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
        var token = File.ReadAllText(fleet.TokenFile).Trim();
        var admin = new Api(http, new Uri("http://balancer.invalid"), "default", token, _retry);
        // Who pushes and pins has the rank that this gives, and not the right to everything.
        var honest = await Pushers.CredentialAsync(admin, "fleet", Pushers.Fleet,
            [TokenScope.Read, TokenScope.Push, TokenScope.Pin, TokenScope.Gc], _tally.Violated);
        var api = new Api(http, new Uri("http://balancer.invalid"), "default", honest.Secret, _retry);
        var reader = new BucketReader(store, bucket.Url, PublicKey.Parse(fleet.PublicKey));
        var checks = new LastChecks(_options, _tally, fleet, bucket, admin, Say);
        await using var catalog = NpgsqlDataSource.Create(database);
        var holds = new NixHolds(catalog, _retry);
        var (promises, attempts) = (new Promises(reader, _retry, _tally), new Attempts(_tally, _options.From is not null));
        var overheard = new Overheard(listens: _options.HostileClients > 0);
        var client = new PushClient(api, store, _retry, promises, attempts, overheard, _tally);
        var all = Stopwatch.StartNew();
        try
        {
            // 2 and 3
            var sabotage = _options.SabotageAfter is { } seconds ? Sabotage.RunAsync(TimeSpan.FromSeconds(seconds), api, reader, s3,
                bucket.Name, _tally, _tally.Violated) : Task.CompletedTask;
            var pushers = await new Pushers(_options, admin, api, http, store, honest.Secret, client, holds, _retry, promises, attempts,
                overheard, _tally).GatherAsync(_tally.Violated);
            await StormAsync(
                universe, fleet, postgres, catalog, api, client, pushers, reader,
                new ClosureScan(s3, bucket.Name, reader, _retry, _tally, NextRandom()), overheard,
                await GatherHostileAsync(fleet, admin, honest, overheard, universe));
            await sabotage;
            // What is held for hours would be what the last collection leaves.
            await holds.LapseAllAsync(CancellationToken.None);
            // 4
            if (_tally.Violations.Count == 0)
                await checks.RunAsync(NextRandom());
        }
        catch (Exception e)
        {
            _tally.Violation($"the storm itself failed: {e}");
        }

        // Each is healed by sending the statement again, a second later.
        // A migration changes tables in an order of its own, and has no part in this.
        var deadlocks = postgres.Log.Split("ERROR:  deadlock detected").Skip(1)
            .Count(report => !report.Split("HINT:")[0].Contains("AccessExclusiveLock", StringComparison.Ordinal));
        _tally.Count("deadlocks", deadlocks);
        if (deadlocks > MaxDeadlocks)
            _tally.Violation($"I8: {deadlocks} deadlocks: some function takes its locks in another order than the others");
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

    private async Task StormAsync(
        Universe universe, Fleet fleet, PostgresServer postgres, NpgsqlDataSource catalog, Api api, PushClient client,
        IEnumerable<Func<SimulatedClosure, Random, CancellationToken, Task<PushEnd?>>> clients, BucketReader reader, ClosureScan scan,
        Overheard overheard, IReadOnlyList<HostileClient> hostile)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_tally.Violated);
        var stopped = _tally.Violated;
        var declared = new Declared(universe, reader, _retry, _tally);
        _tally.PushingBegins();
        var pushers = clients.Select(push => PushLoopAsync(universe, push, NextRandom(), end.Token, stopped)).ToList();
        foreach (var (name, alone) in Enumerable.Range(0, PinsOfOne).Select(i => ($"own-{i}", true))
            .Concat(Enumerable.Range(0, PinsOfTwo * 2).Select(i => ($"shared-{i / 2}", false))))
            pushers.Add(new PinMover(api, client, universe, _committed, overheard, declared, reader, _retry, _tally, NextRandom(),
                PinName.Parse(name), alone).RunAsync(end.Token, stopped));
        var collecting = new CollectLoop(api, _tally, NextRandom()).RunAsync(end.Token, stopped);
        List<Task> watching = [scan.RunAsync(end.Token, stopped), .. Enumerable.Range(0, Readers)
            .Select(_ => new PinReader(api, reader, _retry, _tally, NextRandom()).RunAsync(end.Token, stopped))];
        var chaos = new Chaos(fleet, _options.Orleans, _tally, NextRandom()).RunAsync(end.Token);

        var length = TimeSpan.FromMinutes(_options.Minutes);
        end.CancelAfter(length);
        if (_options.From is not null)
            await RollAsync(fleet, catalog, length / 3, end.Token);
        // Another build is not bound to what ours keeps from them.
        List<Task> attacking = [.. hostile.Select(client => client.RunAsync(end.Token, stopped))];
        if (_options.Orleans)
            await RestartPostgresAsync(postgres, length / 2, end.Token);
        await chaos;
        _tally.PushingEnds();
        Say("the storm is over; those who push finish");
        await Task.WhenAll([.. pushers, collecting, .. watching, .. attacking]);
    }

    private async Task<IReadOnlyList<HostileClient>> GatherHostileAsync(Fleet fleet, Api admin, NixCredential honest, Overheard overheard,
        Universe universe)
    {
        var clients = new List<HostileClient>();
        // Who moves pins asks, too.
        var asking = _options.Pushers + PinsOfOne + (PinsOfTwo * 2);
        for (var i = 0; i < _options.HostileClients; i++)
        {
            var credential = await Pushers.CredentialAsync(admin, $"hostile-{i}", null, [TokenScope.Push], _tally.Violated);
            var (handler, random) = (new HostileHandler(fleet, _tally), NextRandom());
            var attempts = new HostileAttempts(Publisher(credential), Publisher(honest), overheard, _tally, random);
            clients.Add(new HostileClient(handler, attempts, overheard, universe, () => _tally["requests"] / asking, _tally, random));

            Publisher Publisher(NixCredential who) => new(who.Id, HostileHandler.Balancer, who.Secret, handler);
        }

        return clients;
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

    private async Task PushLoopAsync(
        Universe universe, Func<SimulatedClosure, Random, CancellationToken, Task<PushEnd?>> push, Random random, CancellationToken end,
        CancellationToken stopped)
    {
        try
        {
            while (!end.IsCancellationRequested)
            {
                var cargo = universe.Load(random.Next(universe.Packages.Count), random);
                if (await push(cargo, random, stopped) == PushEnd.Committed)
                    _committed.Add(cargo.Root);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // A violation.
        }
        catch (Exception e) when (!stopped.IsCancellationRequested)
        {
            _tally.Violation($"a pusher failed: {e}");
        }
    }

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
            longest    {t.LongestWithoutPush.TotalSeconds:0.0} s without a push that succeeded, {t.LongestPush.TotalSeconds:0.0} s for one push
            other      {string.Join(", ", t.Counts("uploads rejected").Concat(t.Counts("begun again")).Concat(t.Counts("pins refused")).Concat(t.Counts("end:")).Select(c => $"{c.Key} {c.Value}"))}
            """);
        foreach (var violation in t.Violations.Take(10))
            Say($"VIOLATION {violation}");
    }

    // By kind, how the gateways answered.
    private string Hostile()
    {
        var kinds = _tally.Counts("hostile: ").Select(count => (Parts: count.Key.Split(": "), count.Value))
            .GroupBy(count => count.Parts[1], count => (Status: count.Parts[2], count.Value)).ToList();
        return string.Create(CultureInfo.InvariantCulture,
            $"{kinds.Sum(kind => kind.Sum(answer => answer.Value))} requests of {_options.HostileClients}: ")
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
