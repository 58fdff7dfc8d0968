using System.Globalization;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests;

/// <summary>The real program in a process of its own, on a free port of loopback.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private const string Ready = "ready at ";

    // What the machine's environment says must not reach it.
    private static readonly Dictionary<string, string?> Environment = System.Environment.GetEnvironmentVariables().Keys.Cast<string>()
        .Where(n => n.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal)).ToDictionary(n => n, _ => (string?)null);

    private readonly ProcessRunner _process;

    private ServerProcess(ProcessRunner process, string data, Uri url) =>
        (_process, Data, Client) = (process, data, new HttpClient { BaseAddress = url });

    public string Data { get; }

    public HttpClient Client { get; }

    public string Output => _process.Output;

    public string Errors => _process.Errors;

    /// <summary>The process number of its PostgreSQL.</summary>
    public int Postgres => PostgresOf(Data);

    /// <summary>Starts it and returns when it says that it is ready.</summary>
    public static async Task<ServerProcess> StartAsync(string data, params string[] more)
    {
        var process = Start(["--data", data, "--listen", "127.0.0.1:0", .. more]);
        var line = await process.WaitForLineAsync(l => l.StartsWith(Ready, StringComparison.Ordinal));
        return new ServerProcess(process, data, new Uri(line[Ready.Length..]));
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int Exit, string Output, string Errors)> RunAsync(IReadOnlyDictionary<string, string?>? environment,
        params string[] arguments)
    {
        await using var process = Start(arguments, environment);
        var exit = await process.WaitAsync();
        return (exit, process.Output, process.Errors);
    }

    public static int PostgresOf(string data) => int.Parse(File.ReadLines(Path.Combine(data, "postgres/data/postmaster.pid")).First(),
        CultureInfo.InvariantCulture);

    public async Task KillAsync()
    {
        _process.Kill9();
        await _process.WaitAsync();
    }

    public async Task<int> TerminateAsync()
    {
        _process.Terminate();
        return await _process.WaitAsync();
    }

    public async Task<int> InterruptAsync()
    {
        _process.Interrupt();
        return await _process.WaitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _process.DisposeAsync();
        // Its PostgreSQL follows by itself; the folder can go when it has.
        var pidFile = Path.Combine(Data, "postgres/data/postmaster.pid");
        await Eventually.BecomesTrueAsync(() => !File.Exists(pidFile) || !Directory.Exists($"/proc/{PostgresOf(Data)}/cwd"), describe: () =>
            "the end of PostgreSQL");
    }

    private static ProcessRunner Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var all = new Dictionary<string, string?>(Environment);
        foreach (var (name, value) in environment ?? all)
            all[name] = value;
        return ProcessRunner.Start(Path.Combine(AppContext.BaseDirectory, "orleans-cache-server"), arguments, all, folder: "/");
    }
}
