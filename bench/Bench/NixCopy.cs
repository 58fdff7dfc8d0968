namespace OrleansCache.Bench;

/// <summary>What we are compared with: <c>nix copy</c> into a folder, at the same level, by a Nix that knows nothing of that cache yet.</summary>
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

    /// <summary>Copies a closure into a new folder, which is removed.</summary>
    public async Task<ChildRun> CopyAsync(string root)
    {
        var target = Path.Combine(Work, "nix-cache");
        try
        {
            ProcFs.Sync();
            return await RunAsync(["copy", "--to", $"file://{target}?compression=zstd{(Parallel ? "&parallel-compression=true" : "")}", root]);
        }
        finally
        {
            if (Directory.Exists(target))
                Directory.Delete(target, recursive: true);
        }
    }

    public Task<ChildRun> PathInfoAsync(string root) => RunAsync(["path-info", "--recursive", "--json", root]);

    private async Task<ChildRun> RunAsync(IReadOnlyList<string> arguments)
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
                ["NIX_CONFIG"] = "build-users-group =\nexperimental-features = nix-command\nsubstitute = false",
                ["BIND"] = Work,
            });
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }
}
