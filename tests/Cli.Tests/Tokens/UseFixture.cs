using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary>A server, and a folder with the files of a Nix, for tests of <c>use</c>.</summary>
public abstract class UseFixture : IAsyncLifetime, IDisposable
{
    protected const string Others = "# ours\nsubstituters = https://cache.nixos.org\nmax-jobs = 4";

    public FakeCache Cache { get; private set; } = null!;

    protected TempFolder Folder { get; } = new();

    protected string Conf => Folder["nix/nix.conf"];

    protected string Netrc => Folder["nix/netrc"];

    protected bool IsPrivate { get; set; }

    public async Task InitializeAsync()
    {
        Cache = await FakeCache.StartAsync();
        Cache.Misbehave = http =>
        {
            if (http.Request.Path != "/c/default/nix-cache-info")
                return Task.FromResult(false);
            http.Response.StatusCode = IsPrivate ? 401 : 200;
            return Task.FromResult(true);
        };
        Directory.CreateDirectory(Folder["nix"]);
        await File.WriteAllTextAsync(Folder["token"], "the-secret-token\n");
    }

    public async Task DisposeAsync() => await Cache.DisposeAsync();

    public void Dispose()
    {
        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    internal Task<ProcessResult> UseAsync(params string[] arguments) =>
        Client.RunAsync(["use", Cache.Url.ToString(), "--nix-conf", Conf, .. arguments], input: "");
}
