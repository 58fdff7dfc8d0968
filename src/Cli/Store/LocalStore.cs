using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>A closure, and the folders of the store that has it.</summary>
internal sealed record StoredClosure(NixPlaces Places, IReadOnlyDictionary<StorePathHash, PathInfo> Paths);

/// <summary>Finds closures in the database of the local Nix, and asks Nix where the database does not say all.</summary>
/// <param name="environment">Nix's variables; those of this process unless given.</param>
internal sealed class LocalStore(string nix = "nix", Func<string, string?>? environment = null)
{
    /// <summary>So many paths fit on any command line: at most 211 bytes each, of 2 MiB.</summary>
    private const int PathsPerCall = 5000;

    // A push needs local paths only; without the option Nix asks the network for a path that is not here.
    private static readonly string[] PathInfo = ["--extra-experimental-features", "nix-command", "--option", "substitute", "false",
        "path-info", "--recursive", "--json"];

    private readonly Func<string, string?> _environment = environment ?? Environment.GetEnvironmentVariable;
    private NixPlaces? _asked;

    /// <summary>Gets the reason when Nix has to be asked for a closure.</summary>
    public Action<string> Trace { get; init; } = _ => { };

    /// <summary>All paths reachable from the roots, as Nix's database tells them, or else Nix itself.</summary>
    /// <exception cref="CliException">A path is not valid, the store is not on this machine, or Nix failed.</exception>
    public async Task<StoredClosure> FindAsync(IReadOnlyList<StorePath> roots, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(() => Read(roots, cancellationToken), cancellationToken);
        }
        catch (SqliteException e)
        {
            Trace($"nix is asked for the closure: {e.Message}");
        }

        // Both at once, as each starts a program.
        var asking = _asked is null ? PlacesAsync(cancellationToken) : Task.FromResult(_asked);
        var looking = ClosureAsync(roots, cancellationToken);
        _asked = await asking;
        return new StoredClosure(_asked, await looking);
    }

    /// <summary>The closure by the database alone; without roots it only shows that it can be read.</summary>
    /// <exception cref="SqliteException">Nix has to be asked; the message is the reason.</exception>
    public StoredClosure Read(IReadOnlyList<StorePath> roots, CancellationToken cancellationToken)
    {
        if (NixSettings.FindOther(_environment) is { } other)
            throw new SqliteException(other);
        var places = NixPlaces.Of("", _environment);
        try
        {
            ClosureRows.RequireSchema(places.Database);
            return new StoredClosure(places, new NixDatabase(places.Database).Read(sqlite =>
            {
                using var rows = new ClosureRows(sqlite);
                return rows.Find(roots, cancellationToken);
            }, onlyWithLog: true));
        }
        catch (SqliteException e)
        {
            throw new SqliteException($"{places.Database}: {e.Message}");
        }
    }

    /// <summary>All paths reachable from the roots as Nix tells them, each once; the roots come in the given order.</summary>
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
