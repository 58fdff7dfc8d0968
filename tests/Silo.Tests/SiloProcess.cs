using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

/// <summary>The real program in a process of its own, on free ports of loopback, with a data directory of its own.</summary>
internal sealed class SiloProcess : IAsyncDisposable
{
    private const string Ready = "ready at ";

    // What the machine's environment says must not reach it.
    private static readonly Dictionary<string, string?> Environment = System.Environment.GetEnvironmentVariables().Keys.Cast<string>()
        .Where(n => n.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal)).ToDictionary(n => n, _ => (string?)null);

    private readonly TempFolder _folder;
    private readonly ProcessRunner _process;

    private SiloProcess(TempFolder folder, ProcessRunner process) => (_folder, _process) = (folder, process);

    public HttpClient Client { get; } = new(new SocketsHttpHandler { AllowAutoRedirect = false });

    public string Errors => _process.Errors;

    /// <summary>It takes requests.</summary>
    public bool Serves => _process.Output.Contains(Ready, StringComparison.Ordinal);

    private Uri Url => new(_process.Output.Split('\n').Single(l => l.StartsWith(Ready, StringComparison.Ordinal))[Ready.Length..]);

    public string Token => File.ReadAllText(_folder["data/token"]).Trim();

    /// <summary>Starts it and returns when it serves.</summary>
    public static async Task<SiloProcess> StartAsync(params string[] options)
    {
        var silo = Launch(options);
        try
        {
            await silo._process.WaitForLineAsync(l => l.StartsWith(Ready, StringComparison.Ordinal));
            return silo;
        }
        catch
        {
            await silo.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it and does not wait.</summary>
    public static SiloProcess Launch(params string[] options)
    {
        var folder = new TempFolder("oc-silo-");
        return new SiloProcess(folder, Start(["--data", folder["data"], "--listen", "127.0.0.1:0", .. options]));
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int Exit, string Output, string Errors)> RunAsync(params string[] options)
    {
        await using var process = Start(options);
        var exit = await process.WaitAsync();
        return (exit, process.Output, process.Errors);
    }

    public async Task<string> GetAsync(string path) => await Client.GetStringAsync(new Uri(Url, path));

    public async Task<HttpResponseMessage> GetWithAsync(AuthenticationHeaderValue? credentials, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Url, path));
        request.Headers.Authorization = credentials;
        return await Client.SendAsync(request);
    }

    /// <summary>Asks v1 with the token that the server has made.</summary>
    public async Task<JsonElement> AskAsync(HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, new Uri(Url, $"/v1/caches/default{path}"));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        if (method == HttpMethod.Post)
            request.Content = new StringContent("{}", Encoding.UTF8, "application/json");
        using var answer = await Client.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
    }

    /// <summary>The TCP ports of this process, as the kernel tells.</summary>
    public IReadOnlyList<int> ListensOn()
    {
        var own = Directory.EnumerateFiles($"/proc/{_process.Pid}/fd").Select(f => new FileInfo(f).LinkTarget ?? "")
            .Where(l => l.StartsWith("socket:[", StringComparison.Ordinal)).ToHashSet();
        return
        [
            .. File.ReadLines("/proc/net/tcp").Concat(File.ReadLines("/proc/net/tcp6")).Skip(1)
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(columns => columns[3] == "0A" && own.Contains($"socket:[{columns[9]}]"))
                .Select(columns => Convert.ToInt32(columns[1].Split(':')[1], 16)),
        ];
    }

    public async Task Kill9Async()
    {
        _process.Kill9();
        await _process.WaitAsync();
    }

    public async Task<int> TerminateAsync()
    {
        _process.Terminate();
        return await WaitAsync();
    }

    public Task<int> WaitAsync() => _process.WaitAsync();

    public void Pause() => _process.Pause();

    public void Resume() => _process.Resume();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _process.DisposeAsync();
        _folder.Dispose();
    }

    private static ProcessRunner Start(IEnumerable<string> options) =>
        ProcessRunner.Start(Path.Combine(AppContext.BaseDirectory, "orleans-cache-server"), options, Environment, folder: "/");
}
