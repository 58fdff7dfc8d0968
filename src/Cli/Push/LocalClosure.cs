using OrleansCache.Cli.Store;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Push;

/// <summary>What this machine can send for some roots.</summary>
internal sealed record LocalClosure
{
    public required IReadOnlyList<StorePath> Roots { get; init; }

    public required IReadOnlyDictionary<StorePathHash, PathInfo> Paths { get; init; }

    /// <summary>By derivation: the path that the log belongs to, and its file.</summary>
    public IReadOnlyDictionary<StorePath, (StorePathHash Path, string File)> Logs { get; init; } =
        new Dictionary<StorePath, (StorePathHash, string)>();

    public IReadOnlyDictionary<RealisationId, Realisation> Realisations { get; init; } = new Dictionary<RealisationId, Realisation>();

    /// <summary>The pin that the commit sets on the one root.</summary>
    public PushPin? Pin { get; init; }

    /// <param name="upstream">False: the cache is to have all of it itself.</param>
    public BeginPush ToBeginPush(bool upstream) => new()
    {
        Pin = Pin,
        Upstream = upstream ? null : false,
        Roots = [.. Roots.Select(root => root.Hash)],
        Paths =
        [
            .. Paths.Values.Select(info => new PathDeclaration
            {
                Path = info.Path,
                NarHash = info.NarHash,
                NarSize = info.NarSize,
                References = info.References,
                Deriver = info.Deriver,
                Ca = ContentAddress.TryParse(info.Ca, out var ca) ? ca : null,
                Signatures = info.Signatures,
            }),
        ],
        Logs = [.. Logs.Select(log => new LogDeclaration { Drv = log.Key, Path = log.Value.Path })],
        Realisations =
            [.. Realisations.Values.Select(realisation => new RealisationDeclaration { Id = realisation.Id, Path = realisation.Path })],
    };
}
