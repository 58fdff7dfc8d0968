namespace OrleansCache.Bench;

/// <summary>A program that pushes by one of the protocols that the server speaks.</summary>
/// <param name="Name">Such as <c>nix copy 2.8.0</c>.</param>
/// <param name="Lab">Starts the servers that it pushes to.</param>
/// <param name="PushAsync">Pushes a store path's closure to a server under a URL of it, which may lead through a
/// <see cref="CountingProxy"/>.</param>
internal sealed record PushClient(string Name, ServerLab Lab, Func<CacheServer, string, string, Task<ChildRun>> PushAsync)
{
    /// <summary>Our own, which all others are compared with.</summary>
    public static PushClient Ours(ServerLab lab) => new("v1", lab, (server, url, root) => lab.PushAsync(server, [root], url));

    /// <summary>Stock <c>nix copy --to http://…</c>.</summary>
    public static PushClient Nix(ServerLab lab, NixCopy nix) => new(nix.Name, lab, nix.PushAsync);

    /// <summary>niks3's own client, unmodified.</summary>
    public static PushClient Niks3(ServerLab lab, string program) =>
        new("niks3", lab, (server, url, root) => ChildRun.RunAsync(program, ["push", root], new Dictionary<string, string?>
        {
            ["NIKS3_SERVER_URL"] = url,
            ["NIKS3_AUTH_TOKEN_FILE"] = server.TokenFile,
            ["NIX_CONFIG"] = "build-users-group =\nexperimental-features = nix-command ca-derivations",
        }));

    /// <summary>Its pushes of one set.</summary>
    public Candidate Of(ClosureSet set) => new(Name, Lab, (server, url) => PushAsync(server, url, set.Root))
    {
        CheckAsync = server =>
        CheckAsync(server, set)
    };

    // Whatever the protocol, the server publishes a root's narinfo when all of its closure is there.
    private async Task CheckAsync(CacheServer server, ClosureSet set)
    {
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri($"{server.Url}/{Path.GetFileName(set.Root)[..32]}.narinfo"));
        if (!answer.IsSuccessStatusCode || !(await answer.Content.ReadAsStringAsync())
            .Contains($"StorePath: {set.Root}\n", StringComparison.Ordinal))
            throw new BenchException($"{Name} ended with 0, but the server does not have {set.Root} ({(int)answer.StatusCode}).");
    }
}
