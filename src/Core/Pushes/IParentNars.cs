using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>The NARs of the cache that a stage is of.</summary>
internal interface IParentNars
{
    /// <summary>Those of the declared paths that the parent has live under the same declaration, and that anybody may read there.</summary>
    Task<IReadOnlyDictionary<StorePathHash, NarSource>> FindAsync(IReadOnlyList<PathDeclaration> paths,
        CancellationToken cancellationToken);
}
