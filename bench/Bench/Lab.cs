namespace OrleansCache.Bench;

/// <summary>Makes servers of our own and pushes to them.</summary>
internal sealed class Lab(BenchOptions options, S3Place? s3)
{
    private int _servers;

    public S3Place? S3 => s3;

    public BenchOptions Options => options;

    /// <summary>A server with an empty catalog and an empty store.</summary>
    public Task<CacheServer> StartServerAsync(params string[] arguments) =>
        CacheServer.StartAsync(options.Server, Path.Combine(options.Work, $"server-{++_servers}"), [.. s3?.NextServerArguments() ?? [], .. arguments]);

    /// <param name="url">Left out: the server itself.</param>
    public Task<ChildRun> PushAsync(CacheServer server, IEnumerable<string> paths, string? url = null) =>
        ChildRun.RunAsync(options.Client, ["push", "--url", url ?? server.Url, "--token-file", server.TokenFile, "--json", "--quiet", .. paths], new Dictionary<string, string?>
        {
            ["NIX_CONFIG"] = "build-users-group =\nexperimental-features = nix-command",
        });

    public async Task<int> CountObjectsAsync(CacheServer server) => s3 is not null
        ? await s3.CountObjectsAsync()
        : Directory.EnumerateFiles(server.Objects, "*", SearchOption.AllDirectories).Count(file => !file[(server.Objects.Length + 1)..].StartsWith('.'));
}
