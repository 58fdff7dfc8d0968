using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Core.Pushes;

/// <summary>Signs paths with the cache's keys, beside the signatures that a client sends and that are not known to be wrong.</summary>
internal sealed class PathSigner(IReadOnlyList<SecretKey> keys, IReadOnlyList<PublicKey> trusted)
{
    private const int SignatureLength = 64;
    private readonly ILookup<string, PublicKey> _known = keys.Select(k => k.PublicKey).Concat(trusted).ToLookup(k => k.Name);

    public IReadOnlyList<string> PublicKeys { get; } = [.. keys.Select(k => k.PublicKey.ToString())];

    /// <summary>All signatures for a path, space-separated.</summary>
    public string Sign(PathDeclaration path, IReadOnlyList<StorePath> references)
    {
        var fingerprint = NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, references);
        return string.Join(' ', Valid(path, fingerprint).Concat(keys.Select(k => k.Sign(fingerprint))).Distinct());
    }

    /// <summary>Valid signatures that a client sends for a live path and its row lacks; empty for none.</summary>
    /// <param name="path">As it is declared.</param>
    /// <param name="references">Its own.</param>
    /// <param name="present">What the row has.</param>
    /// <param name="ofUnknownKeys">Also those that cannot be verified here.</param>
    public string Added(PathDeclaration path, IReadOnlyList<StorePath> references, IReadOnlyCollection<string> present, bool ofUnknownKeys)
    {
        if (path.Signatures.All(present.Contains))
            return "";
        var fingerprint = NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, references);
        return string.Join(' ', Valid(path, fingerprint).Where(s => ofUnknownKeys || _known.Contains(s[..s.IndexOf(':', StringComparison.Ordinal)])).Except(present));
    }

    // A signature by a key that we know must verify; one by a key that we do not know is kept for those who do.
    private IEnumerable<string> Valid(PathDeclaration path, string fingerprint)
    {
        foreach (var signature in path.Signatures)
        {
            // A list in a request may hold nulls, whatever its type says.
            var colon = signature?.IndexOf(':', StringComparison.Ordinal) ?? -1;
            if (colon <= 0 || signature!.Contains(' ', StringComparison.Ordinal))
                continue;
            var bytes = new byte[SignatureLength + 3];
            if (!Convert.TryFromBase64String(signature[(colon + 1)..], bytes, out var length) || length != SignatureLength)
                continue;
            var known = _known[signature[..colon]].ToList();
            if (known.Count == 0 || known.Exists(k => k.Verify(fingerprint, signature)))
                yield return signature;
        }
    }
}
