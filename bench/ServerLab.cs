using System.Text.Json.Nodes;

namespace OrleansCache.Bench;

/// <summary>Makes servers of our own and pushes to them.</summary>
internal sealed class ServerLab(BenchOptions options, S3Place? s3, IReadOnlyList<string>? arguments = null)
{
    private int _servers;

    public S3Place? S3 => s3;

    public BenchOptions Options => options;

    /// <summary>Makes servers of the build that ours is measured against.</summary>
    public ServerLab Theirs() => new(options.Theirs(), s3);

    /// <summary>Makes servers with more arguments, in a folder of their own.</summary>
    public ServerLab With(params string[] more) => new(options.Below(string.Join('-', more).Trim('-')), s3, more);

    /// <summary>A server with an empty catalog and an empty store.</summary>
    public Task<CacheServer> StartServerAsync(params string[] more) =>
        CacheServer.StartAsync(options.Server, Path.Combine(options.Work, $"server-{++_servers}"),
            [.. s3?.NextServerArguments() ?? [], .. arguments ?? [], .. more]);

    /// <summary>The same, for clients that come through a relay.</summary>
    public async Task<CacheServer> StartServerAsync(CountingProxy relay)
    {
        var server = await StartServerAsync("--public-url", relay.Url);
        relay.Target = server.Address;
        return server;
    }

    /// <param name="url">Left out: the server itself.</param>
    /// <param name="tokenFile">Left out: the server's own.</param>
    public Task<ChildRun> PushAsync(CacheServer server, IEnumerable<string> paths, string? url = null, string? tokenFile = null) =>
        ChildRun.RunAsync(options.Client, ["push", "--url", url ?? server.Url, "--token-file", tokenFile ?? server.TokenFile, "--json",
            "--quiet", .. paths], new Dictionary<string, string?>
            {
                ["NIX_CONFIG"] = "build-users-group =\nexperimental-features = nix-command",
            });

    /// <summary>The client's own account of a push, in seconds: pathInfo, begin, upload, commit.</summary>
    public static Dictionary<string, double> PhasesOf(ChildRun push) =>
        JsonNode.Parse(push.Output)!["seconds"]!.AsObject().ToDictionary(phase => phase.Key, phase => (double)phase.Value!);

    public async Task<int> CountObjectsAsync(CacheServer server) => s3 is not null
        ? await s3.CountObjectsAsync()
        : Directory.EnumerateFiles(server.Objects, "*", SearchOption.AllDirectories)
            .Count(file => !file[(server.Objects.Length + 1)..].StartsWith('.'));
}
