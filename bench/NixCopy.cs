namespace OrleansCache.Bench;

/// <summary>
/// What we are compared with: <c>nix copy</c> at the same level, by a Nix that remembers nothing of the cache that it copies to.
/// </summary>
/// <param name="Command">Comes before <c>nix</c>: empty for the machine's own.</param>
/// <param name="Version">Such as <c>2.8.0</c>.</param>
internal sealed record NixCopy(IReadOnlyList<string> Command, string Version, bool Parallel, string Work)
{
    public static async Task<NixCopy> FindAsync(IReadOnlyList<string> command, bool parallel, string work)
    {
        var nix = new NixCopy(command, "", parallel, work);
        var printed = await nix.RunAsync(["--version"]);
        return nix with { Version = printed.Output.Trim().Split(' ')[^1] };
    }

    /// <summary>Such as <c>nix copy 2.8.0</c>.</summary>
    public string Name => $"nix copy {Version}{(Parallel ? ", parallel" : "")}";

    private string Compression => $"compression=zstd{(Parallel ? "&parallel-compression=true" : "")}";

    /// <summary>Copies a closure into a new folder. It stays until the end of all: see <see cref="CacheServer.DisposeAsync"/>.</summary>
    public Task<ChildRun> CopyAsync(string root)
    {
        var target = Path.Combine(Work, "nix-cache-" + Guid.NewGuid().ToString("N"));
        ProcFs.Sync();
        return RunAsync(["copy", "--to", $"file://{target}?{Compression}", root]);
    }

    /// <summary>Copies a closure to a server of ours, over HTTP.</summary>
    public Task<ChildRun> PushAsync(CacheServer server, string url, string root)
    {
        var netrc = Path.Combine(Work, "netrc");
        File.WriteAllText(netrc, $"machine {server.Address.Address}\nlogin bench\npassword {File.ReadAllText(server.TokenFile).Trim()}\n");
        return RunAsync(["copy", "--to", $"{url}/c/default?{Compression}&compression-level=3", root], $"netrc-file = {netrc}");
    }

    public Task<ChildRun> PathInfoAsync(string root) => RunAsync(["path-info", "--recursive", "--json", root]);

    private async Task<ChildRun> RunAsync(IReadOnlyList<string> arguments, string settings = "")
    {
        // It remembers for 30 days what a cache has.
        var home = Directory.CreateDirectory(Path.Combine(Work, "nix-home")).FullName;
        try
        {
            string[] all = [.. Command, "nix", .. arguments];
            return await ChildRun.RunAsync(all[0], all[1..], new Dictionary<string, string?>
            {
                ["HOME"] = home,
                ["XDG_CACHE_HOME"] = home,
                ["NIX_CONFIG"] = $"build-users-group =\nexperimental-features = nix-command\nsubstitute = false\n{settings}",
                ["BIND"] = Work,
            });
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }
}
