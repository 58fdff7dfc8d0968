using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Tests.Store;

/// <summary>Every field of paths as text, to compare closures.</summary>
internal static class PathInfoText
{
    public static List<string> Of(IReadOnlyDictionary<StorePathHash, PathInfo> closure) =>
    [
        .. closure.Select(found => $"{found.Key} {found.Value.Path} {found.Value.NarHash} {found.Value.NarSize} " +
            $"[{string.Join(' ', found.Value.References)}] {found.Value.Deriver} ({found.Value.Ca ?? "null"}) " +
            $"[{string.Join(' ', found.Value.Signatures)}]").Order(StringComparer.Ordinal),
    ];
}
