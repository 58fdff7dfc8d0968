using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>Refuses declarations whose store path does not follow from their content address, before a byte is sent.</summary>
internal static class DeclaredAddress
{
    /// <param name="path">As it is declared.</param>
    /// <param name="references">Its own.</param>
    public static bool IsTrue(PathDeclaration path, IReadOnlyCollection<StorePath> references) =>
        path.Ca is not { } address || ContentAddressedPath.Follows(path.Path, address, references);

    /// <summary>The refusal of paths that are not.</summary>
    public static CacheProblemException Refusal(IReadOnlyList<PathDeclaration> paths) => new(ProblemKind.Untrue,
        $"{paths[0].Path}{(paths.Count > 1 ? $" and {paths.Count - 1} more paths" : "")} cannot have the content address that is declared " +
        $"({paths[0].Ca}): from it, the name and the references another store path follows, so no Nix would take it from a cache. " +
        "The path's registration is wrong, or references are left out. See 'nix path-info --json', add or build it anew, and push again.",
        [.. paths.Select(p => p.Path.Hash)]);
}
