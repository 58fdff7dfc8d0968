using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using Npgsql;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Embedded;

/// <summary>
/// The private PostgreSQL of a server without <c>--postgres</c>: it starts and stops with the server, and is started again when it dies.
/// Only a Unix socket in a folder of mode 0700 leads to it.
/// </summary>
public sealed class EmbeddedPostgres : IAsyncDisposable
{
    private const string Name = "orleans_cache";
    private const int SocketPathLimit = 107;
    private static readonly TimeSpan GentleStop = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan CleanStop = TimeSpan.FromSeconds(30);

    private readonly PostgresCluster _cluster;
    private readonly ILogger _logger;
    private readonly SafeFileHandle? _socketFolder; // Open as long as the connection string names it.
    private readonly CancellationTokenSource _stopping = new();
    private readonly Thread _supervisor;
    private readonly Lock _lock = new();
    private readonly Queue<string> _lastLines = new(); // Under _lock.
    private Process? _process; // Under _lock: the running server.
    private int _ends; // Times the server has ended by itself; written by the supervisor.

    private EmbeddedPostgres(PostgresCluster cluster, ILogger logger)
    {
        (_cluster, _logger) = (cluster, logger);
        var folder = cluster.Folder;
        if (folder.Length + "/.s.PGSQL.5432".Length > SocketPathLimit)
        {
            _socketFolder = Posix.OpenDirectory(folder);
            folder = $"/proc/self/fd/{_socketFolder.DangerousGetHandle()}";
        }

        ConnectionString = new NpgsqlConnectionStringBuilder
        {
            Host = folder,
            Username = Name,
            Database = Name,
            MaxPoolSize = 60
        }.ConnectionString;
        // A thread of its own, not of the pool: the kernel stops PostgreSQL when the thread that started it ends, and that must be only
        // when we end.
        _supervisor = new Thread(Supervise) { IsBackground = true, Name = "postgres" };
    }

    public string ConnectionString { get; }

    /// <summary>
    /// Makes the cluster on first use, starts it, and returns when it takes connections; after a crash, once it has recovered.
    /// </summary>
    /// <param name="folder">Absolute; it gets the cluster and the socket.</param>
    /// <param name="logger">Also gets PostgreSQL's own log.</param>
    /// <param name="cancellationToken">Ends the wait, and stops PostgreSQL again.</param>
    /// <exception cref="StartupException">PostgreSQL is not installed, is of another major version than the data, or does not
    /// start.</exception>
    public static async Task<EmbeddedPostgres> StartAsync(string folder, ILogger logger, CancellationToken cancellationToken)
    {
        var cluster = new PostgresCluster(folder);
        cluster.StopLeftovers(logger);
        cluster.EnsureCreated(Name);
        var postgres = new EmbeddedPostgres(cluster, logger);
        try
        {
            postgres._supervisor.Start();
            await postgres.WaitUntilReadyAsync(cancellationToken);
            return postgres;
        }
        catch
        {
            await postgres.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.Run(() =>
        {
            if (_supervisor.ThreadState.HasFlag(System.Threading.ThreadState.Unstarted))
                return;
            // The first step lets the last connections end by themselves: each that is cut off would complain in the log.
            (int Signal, TimeSpan Patience)[] steps = [(Posix.SigTerm, GentleStop), (Posix.SigInt, CleanStop),
                (Posix.SigQuit, TimeSpan.FromSeconds(5)), (Posix.SigKill, Timeout.InfiniteTimeSpan)];
            foreach (var (signal, patience) in steps)
            {
                lock (_lock)
                {
                    if (_process is { HasExited: false } running)
                        Posix.Signal(running.Id, signal);
                }

                if (_supervisor.Join(patience))
                    return;
            }
        });
        _socketFolder?.Dispose();
        _stopping.Dispose();
    }

    private void Supervise()
    {
        while (true)
        {
            try
            {
                using var process = Start();
                if (process is null)
                    return;
                process.WaitForExit();
                lock (_lock)
                    _process = null;
                if (_stopping.IsCancellationRequested)
                    return;
                Interlocked.Increment(ref _ends);
                _logger.LogError("PostgreSQL ended with code {Code}: starting it again", process.ExitCode);
                _stopping.Token.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(200));
                if (!_stopping.IsCancellationRequested)
                    _cluster.StopLeftovers(_logger);
            }
            catch (Exception e)
            {
                Interlocked.Increment(ref _ends);
                _logger.LogError(e, "PostgreSQL could not be started; the next attempt is in a second");
                if (_stopping.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(1)))
                    return;
            }
        }
    }

    // Null when we are stopping. Disposal then sees either the process, or that none will be started.
    private Process? Start()
    {
        lock (_lock)
        {
            if (_stopping.IsCancellationRequested)
                return null;
            var process = new Process
            {
                StartInfo = _cluster.DescribeServer(
                    "listen_addresses=", "unix_socket_permissions=0700", "port=5432", "max_connections=100", "shared_buffers=128MB",
                    "fsync=on", "synchronous_commit=on", "max_wal_size=512MB", "checkpoint_timeout=15min", "jit=off",
                    "log_checkpoints=off"),
            };
            process.OutputDataReceived += (_, e) => Log(e.Data);
            process.ErrorDataReceived += (_, e) => Log(e.Data);
            process.Start();
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            return _process = process;
        }
    }

    private void Log(string? line)
    {
        if (string.IsNullOrWhiteSpace(line))
            return;
        lock (_lock)
        {
            _lastLines.Enqueue(line);
            if (_lastLines.Count > 20)
                _lastLines.Dequeue();
        }

        // Connections that come while it starts are told to wait, and wait.
        var serious = (line.Contains("FATAL:", StringComparison.Ordinal)
            && !line.Contains("the database system is", StringComparison.Ordinal))
            || line.Contains("PANIC:", StringComparison.Ordinal) || line.Contains("ERROR:", StringComparison.Ordinal);
        _logger.Log(serious ? LogLevel.Warning : LogLevel.Debug, "{Line}", line);
    }

    private async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        var admin = new NpgsqlConnectionStringBuilder(ConnectionString) { Database = "postgres", Pooling = false }.ConnectionString;
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(admin);
                await connection.OpenAsync(cancellationToken);
                await using var look = new NpgsqlCommand($"select exists (select from pg_database where datname = '{Name}')", connection);
                if (await look.ExecuteScalarAsync(cancellationToken) is not true)
                {
                    await using var create = new NpgsqlCommand($"create database {Name}", connection);
                    await create.ExecuteNonQueryAsync(cancellationToken);
                }

                return;
            }
            catch (NpgsqlException e) when (e is not PostgresException || e.SqlState is "57P03" or "57P01" or "57P02")
            {
                // Not listening yet, or recovering.
                if (Volatile.Read(ref _ends) > 2)
                    throw new StartupException($"PostgreSQL does not start on {_cluster.DataFolder}: {LastWords()}", e);
                await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
            }
        }
    }

    private string LastWords()
    {
        lock (_lock)
            return _lastLines.LastOrDefault(l => l.Contains("FATAL:", StringComparison.Ordinal)) ?? _lastLines.LastOrDefault()
                ?? "it gave no reason; is setpriv (util-linux) installed?";
    }
}
