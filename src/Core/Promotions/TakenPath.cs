using OrleansCache.Contracts;
using OrleansCache.Core.Pushes;
using OrleansCache.Core.Store;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>A live path of a cache, as another cache takes it over.</summary>
/// <param name="Declaration">As its narinfo says it.</param>
/// <param name="NarKey">Of the file.</param>
/// <param name="Extras">The keys of its logs and realisations.</param>
internal sealed record TakenPath(PathDeclaration Declaration, ObjectKey NarKey, Sha256Hash? FileHash, long FileSize, bool HasListing,
    IReadOnlyList<string> Extras)
{
    public StorePathHash Hash => Declaration.Path.Hash;

    /// <summary>Its NAR in the cache's store.</summary>
    public NarSource In(IObjectStore store) => new(store, NarKey, Declaration.NarHash, Declaration.NarSize, FileHash, FileSize);

    /// <summary>Both say the same of the path, but for its signatures and its deriver.</summary>
    public bool IsDeclaredAs(PathDeclaration other) => (Declaration.Path, Declaration.NarHash, Declaration.NarSize, Declaration.Ca)
            == (other.Path, other.NarHash, other.NarSize, other.Ca)
        && Declaration.References.ToHashSet().SetEquals(other.References);
}
