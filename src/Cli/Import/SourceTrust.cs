using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>
/// Which paths of a source are believed: those that a given key has signed, and those whose content address says what they are.
/// </summary>
/// <param name="keys">Null: whatever the source says.</param>
internal sealed class SourceTrust(IReadOnlyList<PublicKey>? keys)
{
    /// <returns>Why it is not believed; null when it is.</returns>
    public string? Refuses(NarInfo info, out bool byAddress)
    {
        byAddress = false;
        if (keys is null || keys.Any(info.Verify))
            return null;
        byAddress = info.Ca is { } address && CanBeTold(address) && ContentAddressedPath.Follows(info.StorePath, address, info.References);
        if (byAddress)
            return null;
        var names = info.Signatures.Select(NameOf).Where(name => name.Length > 0).Distinct().ToList();
        return names.Count == 0 ? "it has no signature"
            : names.Find(name => keys.Any(key => key.Name == name)) is { } wrong ? $"its signature by '{wrong}' is not valid"
            : $"it is signed by {string.Join(", ", names.Select(name => $"'{name}'"))}, and by none of the keys given with --source-key";
    }

    /// <summary>
    /// Names of keys that another key of the cache has, too. It keeps no signatures under its own names but its own, so readers of the old
    /// key find none.
    /// </summary>
    public IEnumerable<string> NamesTakenBy(IReadOnlyCollection<string> publicKeys) => (keys ?? []).Where(key => publicKeys.Any(own =>
        own.StartsWith($"{key.Name}:", StringComparison.Ordinal) && own != key.ToString())).Select(key => key.Name).Distinct();

    // Of git's and BLAKE3's addresses nobody here can compute what they are made of.
    private static bool CanBeTold(ContentAddress address)
    {
        var text = address.ToString();
        return !text.StartsWith("fixed:git:", StringComparison.Ordinal) && !text.Contains("blake3:", StringComparison.Ordinal);
    }

    private static string NameOf(string signature) => signature.Split(':')[0];
}
