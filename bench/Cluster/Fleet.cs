using Npgsql;

namespace OrleansCache.Bench.Cluster;

/// <summary>Gateways or silos on a new catalog and a new store, and the PostgreSQL that all fleets share, one after the other.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    // PostgreSQL's 100 connections are for three members, what silos need besides, and its host.
    private const int Connections = 20;

    // Bytes: most of what is stored is in few files.
    private const int WorthEmptying = 1 << 16;

    /// <summary>What tells the name of another build's fleet from ours.</summary>
    public const string TheirSuffix = ", theirs";

    // What makes a second member one of the same cache, with its store where that is a folder.
    private static readonly string[] Shared = ["key", "token", "url-secret"];

    private readonly CacheServer _postgres;
    private readonly string _database;
    private readonly List<CacheServer> _members = [];

    private Fleet(CacheServer postgres, string database, bool silos, ServerLab lab) =>
        (_postgres, _database, IsSilos, IsTheirs, ReadsUploads) = (postgres, database, silos, lab.Options.IsTheirs, lab.S3 is null);

    public bool IsSilos { get; }

    /// <summary>It is of the build that ours is measured against.</summary>
    public bool IsTheirs { get; }

    /// <summary>What is uploaded passes through its members, who read it.</summary>
    public bool ReadsUploads { get; }

    public int Count => _members.Count;

    /// <summary>Kills a member, without a word to the others.</summary>
    public void Kill(int member) => _members[member].Kill9();

    public IEnumerable<Uri> Urls => _members.Select(member => new Uri(member.Url));

    /// <summary>The one that the first member has made.</summary>
    public string Token => File.ReadAllText(_members[0].TokenFile).Trim();

    public string Name => $"{Count} {(IsSilos ? "silo" : "gateway")}{(Count == 1 ? "" : "s")}{(IsTheirs ? TheirSuffix : "")}";

    /// <summary>Starts a server whose PostgreSQL is for fleets: it counts its statements. The server itself stays idle.</summary>
    public static async Task<CacheServer> StartPostgresAsync(BenchOptions options)
    {
        var data = Path.Combine(options.Work, "postgres");
        await using (var first = await CacheServer.StartAsync(options.Server, data))
            await first.ExecuteAsync("alter system set shared_preload_libraries = 'pg_stat_statements'");
        var server = await CacheServer.StartAsync(options.Server, data);
        await server.ExecuteAsync("create extension pg_stat_statements");
        return server;
    }

    public static async Task<Fleet> StartAsync(ServerLab lab, CacheServer postgres, bool silos, int count)
    {
        var database = $"{(lab.Options.IsTheirs ? "their_" : "")}{(silos ? "silos" : "gateways")}_{count}";
        var connection = new NpgsqlConnectionStringBuilder(await postgres.CreateDatabaseAsync(database)) { MaxPoolSize = Connections };
        connection.Remove("Command Timeout");
        var (program, options) = silos ? lab.Options.Member : lab.Options.Gateway;
        string[] arguments = ["--postgres", connection.ConnectionString, .. options, .. lab.S3?.NextServerArguments() ?? []];
        var fleet = new Fleet(postgres, database, silos, lab);
        try
        {
            var first = Path.Combine(lab.Options.Work, $"{database}-1");
            fleet._members.Add(await CacheServer.StartAsync(program, first, arguments));
            fleet._members.AddRange(await Task.WhenAll(Enumerable.Range(2, count - 1).Select(number =>
            {
                var data = Path.Combine(lab.Options.Work, $"{database}-{number}");
                Share(first, data);
                return CacheServer.StartAsync(program, data, arguments);
            })));
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// As autovacuum leaves the catalog within a minute: until then PostgreSQL plans as if it were empty, for one fleet longer than for
    /// another.
    /// </summary>
    public async Task AnalyzeAsync()
    {
        await using var source = OpenCatalog();
        await using var command = source.CreateCommand("vacuum analyze");
        await command.ExecuteNonQueryAsync();
    }

    public NpgsqlDataSource OpenCatalog()
    {
        var settings = _postgres.Settings();
        settings.Database = _database;
        return NpgsqlDataSource.Create(settings);
    }

    public async Task<Usage> ReadAsync()
    {
        await using var source = NpgsqlDataSource.Create(_postgres.Settings());
        await using var command = source.CreateCommand("""
            select coalesce(sum(calls), 0)::bigint, coalesce(sum(rows), 0)::bigint, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
            from pg_stat_statements where dbid = (select oid from pg_database where datname = $1)
            """);
        command.Parameters.AddWithValue(_database);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new Usage(
            _members.Sum(member => member.GatewayCpu), _postgres.PostgresCpu, ProcFs.Cpu(Environment.ProcessId), reader.GetInt64(0),
                reader.GetInt64(1), reader.GetInt64(2));
    }

    /// <summary>Stops the members, and empties what they have stored, which is gigabytes.</summary>
    public async ValueTask DisposeAsync()
    {
        // Its clients say only that nobody answers.
        foreach (var words in _members.Select(member => member.LastWords).OfType<string>())
            await Console.Error.WriteLineAsync($"{Name}: a member has ended, {words}");
        await Task.WhenAll(_members.Select(member => member.DisposeAsync().AsTask()));
        if (_members.Count == 0 || !Directory.Exists(_members[0].Objects))
            return;
        // Not deleted: see CacheServer.
        foreach (var file in new DirectoryInfo(_members[0].Objects).EnumerateFiles("*", SearchOption.AllDirectories))
        {
            if (file.Length > WorthEmptying)
                File.WriteAllBytes(file.FullName, []);
        }
    }

    /// <summary>Makes a data directory of another member of the same cache.</summary>
    public static void Share(string first, string data)
    {
        Directory.CreateDirectory(data);
        foreach (var name in Shared.Where(name => File.Exists(Path.Combine(first, name))))
            File.Copy(Path.Combine(first, name), Path.Combine(data, name));
        if (Directory.Exists(Path.Combine(first, "store")))
            Directory.CreateSymbolicLink(Path.Combine(data, "store"), Path.Combine(first, "store"));
    }
}

/// <summary>What a fleet and its PostgreSQL have used so far, or between two times.</summary>
/// <param name="Members">Processor seconds of all gateways or silos.</param>
/// <param name="Postgres">Processor seconds.</param>
/// <param name="Load">Processor seconds of this program.</param>
/// <param name="Statements">Sent by clients, those of the background work and of Orleans included.</param>
/// <param name="Rows">Returned by them or, by statements of their own kind, written.</param>
/// <param name="WalBytes">Of the whole PostgreSQL.</param>
internal sealed record Usage(double Members, double Postgres, double Load, long Statements, long Rows, long WalBytes)
{
    public static Usage operator -(Usage now, Usage then) => new(
        now.Members - then.Members, now.Postgres - then.Postgres, now.Load - then.Load, now.Statements - then.Statements,
        now.Rows - then.Rows, now.WalBytes - then.WalBytes);
}
