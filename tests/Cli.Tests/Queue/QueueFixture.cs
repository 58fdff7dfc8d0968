using System.Text.Json;
using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Queue;

/// <summary>A Nix that builds, a cache, and a queue between them; hook, daemon and commands are processes of the client.</summary>
public abstract class QueueFixture : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new("cli-queue-");

    private protected FakeNix Nix { get; } = new();

    private protected FakeCache Cache { get; set; } = null!;

    /// <summary>It stays while the cache is away.</summary>
    private protected string Url { get; private set; } = "";

    private protected QueueFolder Queue { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Cache = await FakeCache.StartAsync();
        Url = Cache.Url.ToString();
        Queue = new QueueFolder(_folder["queue"]);
    }

    public async Task DisposeAsync() => await Cache.DisposeAsync();

    public void Dispose()
    {
        Nix.Dispose();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected Dictionary<string, string?> Environment => new(Nix.Environment) { ["ORLEANS_CACHE_QUEUE"] = Queue.Path };

    /// <summary>What Nix does after a build.</summary>
    private protected Task<ProcessResult> HookAsync(params StorePath[] built) => Client.RunAsync(["hook"], HookEnvironment(built));

    private protected Dictionary<string, string?> HookEnvironment(params StorePath[] built) =>
        new(Environment) { ["OUT_PATHS"] = string.Join(' ', built) };

    private protected ProcessRunner StartDaemon(params string[] more) => ProcessRunner.Start(Client.Program,
        ["queue", "run", "--url", Url, .. more], Client.Surrounded(Environment));

    private protected Task<ProcessResult> QueueAsync(params string[] arguments) => Client.RunAsync(["queue", .. arguments], Environment);

    private protected async Task<JsonElement> StatusAsync()
    {
        var run = (await QueueAsync("status", "--json")).OrThrow();
        return JsonDocument.Parse(run.Output).RootElement;
    }

    private protected static Task BecomesAsync(Func<bool> isSo, ProcessRunner daemon) => Eventually.BecomesTrueAsync(
        () => Task.FromResult(isSo()), TimeSpan.FromMinutes(2), () => $"it. The daemon:\n{daemon.Errors}");

    /// <summary>Waits for the daemon's first look: what is built before it is not meant.</summary>
    private protected Task BegunAsync(ProcessRunner daemon) => BecomesAsync(() => File.Exists(Queue.State), daemon);
}
