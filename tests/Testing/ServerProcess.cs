using System.Globalization;

namespace OrleansCache.Testing;

/// <summary>
/// A running <c>orleans-cache-server</c>, or silo, on a data directory of its own: embedded, unless its options say otherwise.
/// </summary>
public sealed class ServerProcess : IAsyncDisposable
{
    private readonly TempFolder _folder = new("oc-server-");
    private string _program;
    private string[] _options;
    private readonly IReadOnlyDictionary<string, string?> _environment;
    private readonly int _port = FreePort.Next();
    private ProcessRunner? _process;
    private string _earlierLogs = "";

    private ServerProcess(string program, string[] options, IReadOnlyDictionary<string, string?> environment) =>
        (_program, _options, _environment) = (program, options, environment);

    /// <summary>What clients use; stays the same over restarts.</summary>
    public Uri Url => new($"{(_options.Contains("--tls-cert") ? "https" : "http")}://127.0.0.1:{_port}");

    /// <summary>The data directory.</summary>
    public string Data => _folder["data"];

    public string TokenFile => Path.Combine(Data, "token");

    public string KeyFile => Path.Combine(Data, "key");

    public string PublicKey => File.ReadAllText(Path.Combine(Data, "key.pub")).Trim();

    /// <summary>The objects of the embedded store.</summary>
    public ObjectFolder Objects => new(Path.Combine(Data, "store"));

    /// <summary>Its log since the last start.</summary>
    public string Log => _process?.Errors ?? "";

    /// <summary>What it has told people since the last start: the lines up to "ready at".</summary>
    public string Greeting => _process?.Output ?? "";

    /// <summary>The largest resident set of the gateway's process since its start, in bytes.</summary>
    public long PeakMemory => MemoryOf("VmHWM:");

    /// <summary>Its resident set now, in bytes.</summary>
    public long Memory => MemoryOf("VmRSS:");

    /// <summary>What the processors have done for the gateway's process since its start, in hundredths of a second.</summary>
    public long ProcessorTicks
    {
        get
        {
            // The name, in parentheses, may have blanks.
            var fields = File.ReadAllText($"/proc/{_process!.Pid}/stat").Split(") ")[^1].Split(' ');
            return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
        }
    }

    /// <summary>The logs of all its processes.</summary>
    public string AllLogs => _earlierLogs + Log;

    /// <summary>
    /// Options that make another server a second gateway of the same cache, given that both have the same database and bucket.
    /// </summary>
    public string[] IdentityOptions => ["--sign-key", KeyFile, "--token-file", TokenFile];

    /// <summary>Starts it and waits until it serves.</summary>
    /// <param name="options">More options, such as <c>--postgres</c>.</param>
    public static Task<ServerProcess> StartAsync(params string[] options) => StartAsync(BuiltProgram.Server, options);

    /// <summary>Starts it with more variables in its environment.</summary>
    public static Task<ServerProcess> StartAsync(IReadOnlyDictionary<string, string?> environment, params string[] options) =>
        StartAsync(BuiltProgram.Server, options, environment);

    /// <summary>Another program, such as an older version's, or one of ours as a member of a cluster.</summary>
    public static Task<ServerProcess> StartAsync(ServerKind kind, params string[] options) =>
        StartAsync(kind.Program, [.. options, .. kind.Options]);

    /// <summary>From its next start on it is this.</summary>
    public void Become(ServerKind kind, params string[] options) => (_program, _options) = (kind.Program, [.. options, .. kind.Options]);

    /// <summary>False when it has ended by itself, as a silo does that the others have declared dead.</summary>
    public bool IsRunning => _process is { HasExited: false };

    private static async Task<ServerProcess> StartAsync(string program, string[] options,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        var server = new ServerProcess(program, options, environment ?? new Dictionary<string, string?>());
        try
        {
            await server.RestartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it again on the same data, after <see cref="Kill9Async"/> or <see cref="StopAsync"/>.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        Dictionary<string, string?> environment = new(CacheCli.Environment(_folder.Path));
        foreach (var (name, value) in _environment)
            environment[name] = value;
        _process = ProcessRunner.Start(_program, ["--data", Data, "--listen", $"127.0.0.1:{_port}", .. _options], environment,
            signalAtExit: "TERM");
        // A silo that joins beside one that stands still waits until the others have declared that one dead, or for five minutes.
        await _process.WaitForLineAsync(line => line.StartsWith("ready at ", StringComparison.Ordinal), TimeSpan.FromMinutes(6));
    }

    /// <summary>
    /// SIGTERM, as a service manager does it, and the wait for its end. Returns the exit code; null when it was not running.
    /// </summary>
    public async Task<int?> StopAsync()
    {
        if (_process is null) return null;
        _process.Terminate();
        var code = await _process.WaitAsync();
        await ForgetAsync();
        return code;
    }

    /// <summary>SIGKILL to the gateway. Its PostgreSQL is left to notice by itself.</summary>
    public Task Kill9Async() => ForgetAsync();

    /// <summary>SIGKILL to the embedded PostgreSQL, which the gateway is to start again.</summary>
    public async Task KillPostgres9Async()
    {
        if (PostgresPid() is { } pid)
            await ProcessRunner.RunAsync("kill", ["-9", $"{pid}"]);
    }

    /// <summary>SIGSTOP: it stands still, its connections stay open.</summary>
    public void Pause() => _process?.Pause();

    public void Resume() => _process?.Resume();

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            // A paused one cannot hear.
            _process.Resume();
            _process.Terminate();
            try
            {
                await _process.WaitAsync(TimeSpan.FromSeconds(40));
            }
            catch (TimeoutException)
            {
                // Disposing kills it.
            }

            await ForgetAsync();
        }

        // What a killed server leaves ends by itself; its folder cannot go before.
        await Eventually.BecomesTrueAsync(() => PostgresPid() is null, describe: () => "the end of the embedded PostgreSQL");
        _folder.Dispose();
    }

    private long MemoryOf(string field)
    {
        var line = File.ReadLines($"/proc/{_process!.Pid}/status").Single(l => l.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
    }

    private async Task ForgetAsync()
    {
        if (_process is null) return;
        var (process, pid) = (_process, _process.Pid);
        await process.DisposeAsync();
        _earlierLogs += $"{process.Errors}--- process {pid} has ended ---\n";
        _process = null;
    }

    private int? PostgresPid()
    {
        var file = Path.Combine(Data, "postgres", "data", "postmaster.pid");
        try
        {
            return int.TryParse(File.ReadLines(file).FirstOrDefault(), CultureInfo.InvariantCulture, out var pid)
                && File.ReadAllText($"/proc/{pid}/comm").Trim() == "postgres" ? pid : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
