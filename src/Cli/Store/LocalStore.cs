using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>Asks the local Nix for closures.</summary>
internal sealed class LocalStore(string nix = "nix")
{
    /// <summary>So many paths fit on any command line: 211 bytes each at most, of 2 MiB.</summary>
    private const int PathsPerCall = 5000;

    // What is pushed is here: without the option, Nix asks the network for a path that is not.
    private static readonly string[] PathInfo = ["--extra-experimental-features", "nix-command", "--option", "substitute", "false",
        "path-info", "--recursive", "--json"];

    /// <summary>Everything reachable from the paths, each once, and the paths themselves in the order given.</summary>
    /// <exception cref="CliException">A path is not valid, or Nix failed.</exception>
    public async Task<IReadOnlyDictionary<StorePathHash, PathInfo>> ClosureAsync(IReadOnlyList<StorePath> roots,
        CancellationToken cancellationToken)
    {
        var closure = new Dictionary<StorePathHash, PathInfo>();
        // A derivation stands for its outputs, unless Nix is told that it itself is meant.
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

    /// <summary>Where the files of this store are.</summary>
    /// <exception cref="CliException">Not on this machine.</exception>
    public Task<NixPlaces> PlacesAsync(CancellationToken cancellationToken) => NixPlaces.FindAsync(nix, cancellationToken);

    /// <summary><c>nix (Nix) 2.34.8</c>, or null when there is no Nix.</summary>
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
        return output.ExitCode == 0
            ? output.Stdout
            : throw new CliException(output.Stderr.Contains("is not valid", StringComparison.Ordinal) ? ExitCodes.Usage : ExitCodes.Failed,
                $"Nix cannot tell the closure ('nix path-info' exited with {output.ExitCode}):\n{NixProgram.Errors(output.Stderr)}");
    }
}
