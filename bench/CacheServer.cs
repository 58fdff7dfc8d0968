using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Npgsql;

namespace OrleansCache.Bench;

/// <summary>A server of our own on an empty data directory, with its private PostgreSQL.</summary>
internal sealed partial class CacheServer : IAsyncDisposable
{
    private const string StatementMark = "#statement";

    private readonly Process _process;
    private readonly string _data;
    private readonly List<string> _errors = []; // under itself
    private bool _isKilled;

    private CacheServer(Process process, string data, IPEndPoint address) => (_process, _data, Address) = (process, data, address);

    public IPEndPoint Address { get; }

    public string Url => $"http://{Address}";

    public string TokenFile => Path.Combine(_data, "token");

    /// <summary>Where a server with a directory store keeps its objects.</summary>
    public string Objects => Path.Combine(_data, "store");

    public double GatewayCpu => ProcFs.Cpu(_process.Id);

    public double GatewayMegabytes => ProcFs.Megabytes(_process.Id);

    public double GatewayPeakMegabytes => ProcFs.PeakMegabytes(_process.Id);

    /// <summary>All of its PostgreSQL's processes, also those that have ended.</summary>
    public double PostgresCpu => ProcFs.Descendants(_process.Id, "postgres").Sum(pid => ProcFs.Cpu(pid, withEndedChildren: true));

    /// <param name="program">The server.</param>
    /// <param name="data">A folder that does not exist yet, unless it is to go on with what is there.</param>
    /// <param name="arguments">More flags.</param>
    public static async Task<CacheServer> StartAsync(string program, string data, params string[] arguments)
    {
        var address = FreeAddress();
        var start = new ProcessStartInfo(program, ["--data", data, "--listen", address.ToString(), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        var server = new CacheServer(Process.Start(start)!, data, address);
        server._process.StandardInput.Close();
        server._process.ErrorDataReceived += (_, line) =>
        {
            lock (server._errors)
                server._errors.Add(line.Data ?? "");
        };
        server._process.BeginErrorReadLine();
        try
        {
            while (await server._process.StandardOutput.ReadLineAsync() is { } line)
            {
                if (line.StartsWith("ready at ", StringComparison.Ordinal))
                    return server;
            }

            throw new BenchException($"the server did not start: {server.LastErrors()}");
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// From now on every statement is counted. PostgreSQL's log reaches the server's only where it says ERROR, so each line is made to say
    /// that.
    /// </summary>
    public async Task CountStatementsAsync()
    {
        foreach (var setting in (string[])[$"log_line_prefix = 'ERROR: {StatementMark} '", "log_min_duration_statement = 0",
            "log_parameter_max_length = 0"])
            await ExecuteAsync($"alter system set {setting}");
        await ExecuteAsync("select pg_reload_conf()");
        for (var tries = 0; !Statements().Exists(s => s.Text.Contains("counting", StringComparison.Ordinal)); tries++)
        {
            if (tries > 100)
                throw new BenchException("PostgreSQL does not log its statements");
            await ExecuteAsync("select 'counting'");
            await Task.Delay(100); // PostgreSQL's log comes through a pipe: there is nothing to wait for but its next line
        }
    }

    public async Task StopCountingAsync()
    {
        await ExecuteAsync("alter system reset all");
        await ExecuteAsync("select pg_reload_conf()");
    }

    public void ForgetStatements()
    {
        lock (_errors)
            _errors.RemoveAll(line => line.Contains(StatementMark, StringComparison.Ordinal));
    }

    /// <summary>
    /// The statements since <see cref="CountStatementsAsync"/>: the function that each calls, and its time in PostgreSQL (parse, bind and
    /// execute).
    /// </summary>
    public List<Statement> Statements()
    {
        string[] lines;
        lock (_errors)
            lines = [.. _errors];
        var found = new List<Statement>();
        var before = 0.0;
        foreach (var match in lines.Where(l => l.Contains(StatementMark, StringComparison.Ordinal)).Select(l => Logged().Match(l))
            .Where(m => m.Success))
        {
            var milliseconds = double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
            if (match.Groups[2].Value is "parse" or "bind")
            {
                before += milliseconds;
                continue;
            }

            var text = match.Groups[3].Value;
            found.Add(new Statement(Function().Match(text) is { Success: true } function ? function.Groups[1].Value : Begin(text),
                milliseconds + before));
            before = 0;
        }

        return found;
    }

    /// <summary>What a server that has ended by itself said last; null while it runs.</summary>
    public string? LastWords => _process.HasExited && !_isKilled ? $"exit code {_process.ExitCode}: {LastErrors()}" : null;

    /// <summary>SIGKILL; its data stay.</summary>
    public void Kill9()
    {
        _isKilled = true;
        _process.Kill();
    }

    /// <summary>
    /// Stops it. Its folder stays, for eng/bench to remove in the end: ext4 looks long for a free inode where thousands were freed in the
    /// last minutes, so that deleting after one measurement would slow the next one down.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            await kill.WaitForExitAsync();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(40));
            try
            {
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
                await _process.WaitForExitAsync();
            }
        }

        _process.Dispose();
    }

    /// <summary>An empty database in its PostgreSQL; a connection string.</summary>
    public async Task<string> CreateDatabaseAsync(string name)
    {
        await ExecuteAsync($"create database {name}");
        var settings = Settings();
        settings.Database = name;
        settings.Pooling = true;
        settings.CommandTimeout = 600;
        return settings.ConnectionString;
    }

    private static string Begin(string text) => text.Length > 30 ? text[..30].TrimEnd() : text;

    public async Task ExecuteAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(Settings());
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>How to connect to its PostgreSQL.</summary>
    public NpgsqlConnectionStringBuilder Settings() => new()
    {
        Host = Path.Combine(_data, "postgres"),
        Username = "orleans_cache",
        Database = "orleans_cache",
        Pooling = false
    };

    private string LastErrors()
    {
        lock (_errors)
            return string.Join('\n', _errors.TakeLast(5));
    }

    // Not port 0: with --public-url the server would not tell which one it got.
    private static IPEndPoint FreeAddress()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return (IPEndPoint)probe.LocalEndpoint;
    }

    [GeneratedRegex("duration: ([0-9.]+) ms  (parse|bind|execute|statement)[^:]*: (.*)")]
    private static partial Regex Logged();

    // The catalog's functions are in a schema of their own; other statements go by their first words.
    [GeneratedRegex("[a-z0-9_]+\\.([a-z_]+)\\(")]
    private static partial Regex Function();
}

/// <param name="Text">The database function that it calls, or its first words.</param>
internal sealed record Statement(string Text, double Milliseconds);
