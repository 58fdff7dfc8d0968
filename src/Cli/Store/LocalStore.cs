using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>Asks the local Nix for closures.</summary>
internal sealed class LocalStore(string nix = "nix")
{
    /// <summary>So many paths fit on any command line: at most 211 bytes each, of 2 MiB.</summary>
    private const int PathsPerCall = 5000;

    // A push needs local paths only; without the option Nix asks the network for a path that is not here.
    private static readonly string[] PathInfo = ["--extra-experimental-features", "nix-command", "--option", "substitute", "false",
        "path-info", "--recursive", "--json"];

    /// <summary>All paths reachable from the roots, each once; the roots come in the given order.</summary>
    /// <exception cref="CliException">A path is not valid, or Nix failed.</exception>
    public async Task<IReadOnlyDictionary<StorePathHash, PathInfo>> ClosureAsync(IReadOnlyList<StorePath> roots,
        CancellationToken cancellationToken)
    {
        var closure = new Dictionary<StorePathHash, PathInfo>();
        // A derivation stands for its outputs, unless Nix is told that the derivation itself is meant.
        foreach (var kind in roots.GroupBy(root => root.IsDerivation))
        {
            foreach (var chunk in kind.Chunk(PathsPerCall))
            {
                foreach (var info in PathInfoJson.Parse(await PathInfoAsync(chunk, kind.Key ? ["--derivation"] : [], cancellationToken)))
                    closure.TryAdd(info.Path.Hash, info);
            }
        }

        return closure;
    }

    /// <summary>The folders of this store's files.</summary>
    /// <exception cref="CliException">The store is not on this machine.</exception>
    public Task<NixPlaces> PlacesAsync(CancellationToken cancellationToken) => NixPlaces.FindAsync(nix, cancellationToken);

    /// <summary>Such as <c>nix (Nix) 2.34.8</c>; null when Nix is not installed.</summary>
    public async Task<string?> VersionAsync(CancellationToken cancellationToken)
    {
        try
        {
            var output = await NixProgram.RunAsync(nix, ["--version"], cancellationToken);
            return System.Text.Encoding.UTF8.GetString(output.Stdout).Trim();
        }
        catch (CliException)
        {
            return null;
        }
    }

    private async Task<byte[]> PathInfoAsync(StorePath[] paths, string[] options, CancellationToken cancellationToken)
    {
        var names = paths.Select(path => path.ToString());
        var output = await NixProgram.RunAsync(nix, [.. PathInfo, .. options, .. names], cancellationToken);
        // Announced in Nix 2.34: '--json' alone "will become an error in a future release". No version before 2.32 knows the option.
        if (output.ExitCode != 0 && output.Stderr.Contains("--json-format", StringComparison.Ordinal))
            output = await NixProgram.RunAsync(nix, [.. PathInfo, "--json-format", "2", .. options, .. names], cancellationToken);
        var isInvalid = output.Stderr.Contains("is not valid", StringComparison.Ordinal);
        return output.ExitCode == 0
            ? output.Stdout
            : throw new CliException(isInvalid ? ExitCodes.Usage : ExitCodes.Failed,
                $"Nix cannot tell the closure ('nix path-info' exited with {output.ExitCode}):\n{NixProgram.Errors(output.Stderr)}")
            {
                IsInvalidPath = isInvalid,
            };
    }
}
