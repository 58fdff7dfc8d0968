using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>What there is to push for some roots.</summary>
/// <param name="Closure">Without roots when all of them are left out.</param>
internal sealed record LookedUp(LocalClosure Closure, NixPlaces Places, IReadOnlyList<LeftOutRoot> LeftOut);

/// <summary>Looks up closures in the local store, with logs and realisations.</summary>
internal sealed class ClosureLookup(LocalStore store)
{
    /// <summary>The server's limit, checked before any request.</summary>
    private const int MaxPaths = 100_000;

    public ClosureFilter Filter { get; init; } = new();

    public bool Logs { get; init; } = true;

    public bool Realisations { get; init; } = true;

    /// <summary>Gets each warning.</summary>
    public Action<string> Note { get; init; } = _ => { };

    /// <exception cref="CliException">A path is not valid, the closure is too large, or Nix fails.</exception>
    public async Task<LookedUp> FindAsync(IReadOnlyList<StorePath> named, PushPin? pin, CancellationToken cancellationToken)
    {
        var (places, stored) = await store.FindAsync(named, cancellationToken);
        var all = stored.ToDictionary(found => found.Key, found => LocalNar.Sized(found.Value, places, cancellationToken));
        var (roots, leftOut) = Filter.Apply(named, all);
        var paths = leftOut.Count == 0 ? all : ClosureFilter.Reachable(roots, all);
        if (paths.Count > MaxPaths)
            throw new CliException(ExitCodes.Usage,
                $"The closure has {Text.Count(paths.Count, "path")}; one push takes at most {MaxPaths:N0}. Push some of its parts first, " +
                "each in a push of its own.");
        string? warning = null;
        var realisations = Realisations ? new Realisations(places.Database).Find(paths, out warning) : [];
        if (warning is not null)
            Note($"warning: {warning}");
        var closure = new LocalClosure
        {
            Roots = roots,
            Paths = paths,
            Logs = Logs ? new BuildLogs(places.BuildLogs).Of(paths.Values) : new Dictionary<StorePath, (StorePathHash, string)>(),
            Realisations = realisations.ToDictionary(realisation => realisation.Id),
            Pin = pin,
        };
        return new LookedUp(closure, places, leftOut);
    }
}
