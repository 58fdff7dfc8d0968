namespace OrleansCache.Bench;

/// <summary>A program that pushes by one of the protocols that the server speaks.</summary>
/// <param name="Name">Such as <c>nix copy 2.8.0</c>.</param>
/// <param name="PushAsync">Pushes a store path's closure to a server under a URL of it, which may lead through a <see cref="Relay"/>.</param>
internal sealed record PushClient(string Name, Func<CacheServer, string, string, Task<ChildRun>> PushAsync)
{
    /// <summary>Our own, which all others are compared with.</summary>
    public static PushClient Ours(Lab lab) => new("v1", (server, url, root) => lab.PushAsync(server, [root], url));

    /// <summary>Stock <c>nix copy --to http://…</c>.</summary>
    public static PushClient Nix(NixCopy nix) => new(nix.Name, nix.PushAsync);

    /// <summary>niks3's own client, unmodified.</summary>
    public static PushClient Niks3(string program) => new("niks3", (server, url, root) => ChildRun.RunAsync(program, ["push", root], new Dictionary<string, string?>
    {
        ["NIKS3_SERVER_URL"] = url,
        ["NIKS3_AUTH_TOKEN_FILE"] = server.TokenFile,
        ["NIX_CONFIG"] = "build-users-group =\nexperimental-features = nix-command ca-derivations",
    }));
}
