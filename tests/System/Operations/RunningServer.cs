using System.Globalization;
using System.Net.Http.Headers;
using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>The real server in a process of its own, with a PostgreSQL and a directory of its own, on a free port of loopback.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private const string ReadyLine = "ready at ";

    private readonly TempFolder _folder;

    private RunningServer(TempFolder folder, ProcessRunner process, Uri url)
    {
        (_folder, Process, Url) = (folder, process, url);
        Client = new HttpClient { BaseAddress = url };
        Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(folder["data/token"]).Trim());
    }

    public ProcessRunner Process { get; }

    public Uri Url { get; }

    /// <summary>Sends the token, which may do everything.</summary>
    public HttpClient Client { get; }

    public string Data => _folder["data"];

    public string Token => Client.DefaultRequestHeaders.Authorization!.Parameter!;

    public static string Program => Path.Combine(AppContext.BaseDirectory, "orleans-cache-server");

    /// <summary>What the machine's environment says must not reach it.</summary>
    public static Dictionary<string, string?> CleanEnvironment() => Environment.GetEnvironmentVariables().Keys.Cast<string>()
        .Where(n => n.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal) || n.StartsWith("OTEL_", StringComparison.Ordinal)
            || n is "NOTIFY_SOCKET" or "LISTEN_FDS")
        .ToDictionary(n => n, _ => (string?)null);

    public static Task<RunningServer> StartAsync(params string[] options) => StartAsync(null, options);

    /// <summary>Starts it and returns when it says that it is ready.</summary>
    public static async Task<RunningServer> StartAsync(IReadOnlyDictionary<string, string?>? environment, params string[] options)
    {
        var folder = new TempFolder("oc-ops-");
        var all = CleanEnvironment();
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            all[name] = value;
        var listen = $"127.0.0.1:{FreePort.Next()}";
        var process = ProcessRunner.Start(Program, ["--data", folder["data"], "--listen", listen, .. options], all, folder: "/",
            signalAtExit: "TERM");
        await process.WaitForLineAsync(l => l.StartsWith(ReadyLine, StringComparison.Ordinal));
        return new RunningServer(folder, process, new Uri($"http://{listen}"));
    }

    /// <summary>The names of the series that <c>/metrics</c> serves, with their labels and values as they stand there.</summary>
    public async Task<List<string>> MetricsAsync()
    {
        using var client = new HttpClient();
        var text = await client.GetStringAsync(new Uri(Url, "/metrics"));
        return [.. text.Split('\n').Where(l => l.Length > 0 && l[0] != '#')];
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        Process.Terminate();
        await Process.WaitAsync();
        await Process.DisposeAsync();
        await PostgresHasEndedAsync(Data);
        _folder.Dispose();
    }

    public static async Task PostgresHasEndedAsync(string data)
    {
        var file = Path.Combine(data, "postgres/data/postmaster.pid");
        await Eventually.BecomesTrueAsync(
            () => !File.Exists(file)
                || !Directory.Exists($"/proc/{int.Parse(File.ReadLines(file).First(), CultureInfo.InvariantCulture)}/cwd"), describe: () =>
                "the end of PostgreSQL");
    }
}
