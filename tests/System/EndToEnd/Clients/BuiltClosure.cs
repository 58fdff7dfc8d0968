using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests.Clients;

/// <summary>
/// Three paths that nobody has, each of which refers to the one before. They are built: Nix asks for no signature of a path that has a
/// content address, as sources and texts have.
/// </summary>
internal sealed class BuiltClosure : IAsyncDisposable
{
    private readonly IReadOnlyList<string> _paths;

    private BuiltClosure(IReadOnlyList<string> paths) => _paths = paths;

    /// <summary>Refers to nothing.</summary>
    public string First => _paths[0];

    public string Root => _paths[^1];

    public static async Task<BuiltClosure> MakeAsync()
    {
        using var folder = new TempFolder("oc-built-");
        await File.WriteAllTextAsync(folder["chain.nix"], $$"""
            builtins.foldl' (before: n: before ++ [ (derivation {
              name = "matrix-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
              args = [ "-ec" "echo {{Guid.NewGuid():N}} ${if before == [] then "" else builtins.elemAt before (n - 2)} > $out" ];
            }) ]) [] [ 1 2 3 ]
            """);
        return new BuiltClosure((await NixTool.Installed!.RunAsync("nix-build", ["--no-out-link", folder["chain.nix"]],
            settings: "substituters =")).OrThrow().Lines);
    }

    /// <summary>Removes it from the store.</summary>
    public async ValueTask DisposeAsync() => await NixTool.Installed!.RunAsync("nix-store", ["--delete", .. _paths.Reverse()]);
}
