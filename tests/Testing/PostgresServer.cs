using System.Globalization;
using Npgsql;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Testing;

/// <summary>A real PostgreSQL (15 or newer) in a folder of its own, on a Unix socket.</summary>
/// <remarks>Ends with the test process, however that ends.</remarks>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string Catalog = "catalog";
    private static readonly Lazy<Task<PostgresServer>> LazyShared = new(() => StartAsync());

    private readonly TempFolder _folder = new("oc-pg-");
    private readonly string _bin;
    private readonly string[] _settings;
    // The postmaster is our own child: nobody else would collect it after kill -9, and PostgreSQL takes a zombie for a running server.
    private ProcessRunner? _postmaster;
    private int _databases;
    private readonly Lazy<Task> _catalog;

    private PostgresServer(string bin, int? port, bool durable, string[] settings)
    {
        _bin = bin;
        _catalog = new Lazy<Task>(MakeCatalogAsync);
        Port = port ?? 5432;
        _settings =
        [
            $"port={Port}",
            $"listen_addresses={(port is null ? "" : "127.0.0.1")}",
            $"unix_socket_directories={_folder.Path}",
            "max_connections=200",
            "shared_buffers=64MB",
            // In the data folder, not in /dev/shm, where a kill -9 would leave it.
            "dynamic_shared_memory_type=mmap",
            // synchronous_commit stays on: off, a kill -9 loses what was committed just before.
            .. durable ? Array.Empty<string>() : ["fsync=off", "full_page_writes=off"],
            .. settings,
        ];
    }

    /// <summary>One server for all tests of this process, started on first use. Nobody may kill or reconfigure it.</summary>
    public static Task<PostgresServer> Shared => LazyShared.Value;

    /// <summary>The folder of the Unix socket; a connection string's <c>Host</c>.</summary>
    public string SocketFolder => _folder.Path;

    /// <summary>On loopback only when the server was started with a port; also the number in the socket's name.</summary>
    public int Port { get; }

    /// <summary>The server's log.</summary>
    public string Log => _postmaster?.Errors ?? "";

    private string Data => _folder["data"];

    /// <summary>Creates a cluster and starts it.</summary>
    /// <param name="port">Also listen on this port of 127.0.0.1. Left out: the Unix socket only.</param>
    /// <param name="durable">Sync to disk as in production. Off by default: a kill -9 of PostgreSQL loses nothing either way, only a crash
    /// of the machine would.</param>
    /// <param name="settings">More lines for <c>postgres -c</c>, e.g. <c>log_statement=all</c>.</param>
    public static async Task<PostgresServer> StartAsync(int? port = null, bool durable = false, params string[] settings)
    {
        var server = new PostgresServer(FindBin(), port, durable, settings);
        await Unprivileged.OwnAsync(server._folder.Path);
        (await Unprivileged.RunAsync(
            server.Program("initdb"), "--pgdata", server.Data, "--username=postgres", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")).OrThrow();
        await server.RunAsync();
        return server;
    }

    /// <summary>The connection string of a database on this server.</summary>
    public string ConnectionString(string database) =>
        $"Host={SocketFolder};Port={Port};Username=postgres;Database={database};Include Error Detail=true";

    /// <summary>Creates an empty database and returns its connection string.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await using var source = NpgsqlDataSource.Create(ConnectionString("postgres") + ";Pooling=false");
        await using var command = source.CreateCommand($"CREATE DATABASE {name} TEMPLATE template0");
        await command.ExecuteNonQueryAsync();
        return ConnectionString(name);
    }

    /// <summary>The same with the catalog in it, as this program's servers make it: a copy costs a tenth of making it anew.</summary>
    public async Task<string> CreateCatalogAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await _catalog.Value;
        await using var source = NpgsqlDataSource.Create(ConnectionString("postgres") + ";Pooling=false");
        await using var command = source.CreateCommand($"CREATE DATABASE {name} TEMPLATE {Catalog} STRATEGY FILE_COPY");
        await command.ExecuteNonQueryAsync();
        return ConnectionString(name);
    }

    private async Task MakeCatalogAsync()
    {
        await using (var source = NpgsqlDataSource.Create(ConnectionString("postgres") + ";Pooling=false"))
        await using (var command = source.CreateCommand($"CREATE DATABASE {Catalog} TEMPLATE template0"))
            await command.ExecuteNonQueryAsync();
        await using var catalog = await CatalogDatabase.OpenAsync(ConnectionString(Catalog) + ";Pooling=false", CancellationToken.None);
    }

    /// <summary>SIGKILL to the postmaster and all its children. Returns when they are gone. <see cref="RestartAsync"/> recovers.</summary>
    public async Task Kill9Async()
    {
        if (_postmaster is null) return;
        var children = ChildrenOf(_postmaster.Pid);
        _postmaster.Kill9();
        // An orphan would hold the shared memory and block the restart. Some have gone by themselves.
        await ProcessRunner.RunAsync("kill", ["-9", .. children.Select(pid => $"{pid}")]);
        await Eventually.BecomesTrueAsync(() => children.TrueForAll(IsGone), describe: () => "the end of PostgreSQL after kill -9");
        await ForgetPostmasterAsync();
    }

    /// <summary>Starts the server again; stops it before, in order, when it runs.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        await RunAsync();
    }

    /// <summary>Stops the server in order; open connections are cut.</summary>
    public async Task StopAsync()
    {
        if (_postmaster is null) return;
        _postmaster.Interrupt();
        await _postmaster.WaitAsync();
        await ForgetPostmasterAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Dispose();
    }

    private async Task RunAsync()
    {
        // QUIT: at once, but unlike kill -9 it gives the shared memory back.
        _postmaster = Unprivileged.Start("QUIT", [Program("postgres"), "-D", Data, .. _settings.SelectMany(s => new[] { "-c", s })]);
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                if (_postmaster.HasExited) return true;
                await using var connection = new NpgsqlConnection(ConnectionString("postgres") + ";Pooling=false");
                await connection.OpenAsync();
                return true;
            },
            describe: () => $"PostgreSQL does not answer. Its log:\n{Log}");
        if (_postmaster.HasExited) throw new InvalidOperationException($"PostgreSQL did not start:\n{Log}");
    }

    private async Task ForgetPostmasterAsync()
    {
        await _postmaster!.DisposeAsync();
        _postmaster = null;
    }

    /// <summary>One of the programs of its version, such as <c>pg_receivewal</c>.</summary>
    public string Program(string name) => Path.Combine(_bin, name);

    private static List<int> ChildrenOf(int pid) =>
    [
        .. File.ReadAllText($"/proc/{pid}/task/{pid}/children")
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(child => int.Parse(child, CultureInfo.InvariantCulture)),
    ];

    // A zombie counts as gone: in a container nobody may collect it for a while.
    private static bool IsGone(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].StartsWith('Z');
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static string FindBin()
    {
        const string Installed = "/usr/lib/postgresql";
        var newest = (Directory.Exists(Installed) ? Directory.GetDirectories(Installed) : [])
            .Where(folder => File.Exists(Path.Combine(folder, "bin/postgres")))
            .Select(folder => (folder, Major: int.TryParse(Path.GetFileName(folder), out var major) ? major : 0))
            .Where(version => version.Major >= 15)
            .OrderByDescending(version => version.Major)
            .Select(version => version.folder)
            .FirstOrDefault();
        return newest is not null
            ? Path.Combine(newest, "bin")
            : throw new InvalidOperationException(
                "No PostgreSQL 15 or newer in /usr/lib/postgresql: apt-get install postgresql, or run eng/test as root.");
    }
}
