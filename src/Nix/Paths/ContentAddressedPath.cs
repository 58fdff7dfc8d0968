using System.Security.Cryptography;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>Which store path follows from a content address (Nix's <c>makeFixedOutputPath</c> and <c>makeTextPath</c>).</summary>
public static class ContentAddressedPath
{
    /// <summary>
    /// Whether the store path of this name and these references follows from a content address: no Nix takes another one. What git or
    /// BLAKE3 gives is left to it, as only some releases know these.
    /// </summary>
    /// <param name="path">Whose content address it is said to be.</param>
    /// <param name="address">The content address.</param>
    /// <param name="references">All of the path's, in any order; itself, too, if it is one.</param>
    public static bool Follows(StorePath path, ContentAddress address, IReadOnlyCollection<StorePath> references)
    {
        var (method, algorithm, _) = address.Parts();
        return method is ContentAddressMethod.Git || algorithm == "blake3"
            || HashOf(address, references.Where(r => r != path), references.Contains(path), path.Name) == path.Hash;
    }

    /// <param name="references">All but the path itself, in any order.</param>
    /// <param name="refersToItself">Whether the path is among its own references.</param>
    /// <param name="name">The path's name, without its hash.</param>
    /// <returns>
    /// Null when Nix makes no such path: references are for <c>text:</c> and <c>fixed:r:sha256:</c>, the path itself for the latter only,
    /// and <c>fixed:git:</c> is of SHA-1 or SHA-256.
    /// </returns>
    public static StorePathHash? HashOf(
        ContentAddress address, IEnumerable<StorePath> references, bool refersToItself, string name, string storeDir = StorePath.StoreDir)
    {
        var (method, algorithm, hash) = address.Parts();
        var others = references.Distinct().Order().ToArray();
        var typed = $"{algorithm}:{Convert.ToHexStringLower(hash)}";
        if (method is ContentAddressMethod.Text)
            return refersToItself ? null : Compressed($"{Type("text")}:{typed}");
        if (method is ContentAddressMethod.Recursive && algorithm == "sha256")
            return Compressed($"{Type("source")}{(refersToItself ? ":self" : "")}:{typed}");
        if (others.Length > 0 || refersToItself || (method is ContentAddressMethod.Git && algorithm is not ("sha1" or "sha256")))
            return null;
        var prefix = method switch
        {
            ContentAddressMethod.Recursive => "r:",
            ContentAddressMethod.Git => "git:",
            ContentAddressMethod.Flat or ContentAddressMethod.Text => "",
        };
        return Compressed($"output:out:sha256:{Convert.ToHexStringLower(Sha256($"fixed:out:{prefix}{typed}:"))}");

        string Type(string type) => string.Join(':', others.Select(other => $"{storeDir}/{other.BaseName}").Prepend(type));

        StorePathHash Compressed(string typeAndHash)
        {
            Span<byte> bytes = stackalloc byte[StorePathHash.ByteLength];
            bytes.Clear();
            var full = Sha256($"{typeAndHash}:{storeDir}:{name}");
            for (var i = 0; i < full.Length; i++)
                bytes[i % bytes.Length] ^= full[i];
            return StorePathHash.FromBytes(bytes);
        }
    }

    private static byte[] Sha256(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
