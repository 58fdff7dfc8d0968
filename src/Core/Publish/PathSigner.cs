using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>Signs paths with the cache's keys, and keeps those of a client's signatures that are not known to be wrong.</summary>
internal sealed class PathSigner(IReadOnlyList<SecretKey> keys, IReadOnlyList<PublicKey> trusted)
{
    /// <summary>Signatures of one path by keys that are not the cache's own.</summary>
    public const int MaxForeign = 16;

    private readonly HashSet<string> _own = keys.Select(k => k.Name).ToHashSet(StringComparer.Ordinal);
    private readonly ILookup<string, PublicKey> _known = keys.Select(k => k.PublicKey).Concat(trusted).ToLookup(k => k.Name);

    public IReadOnlyList<string> PublicKeys { get; } = [.. keys.Select(k => k.PublicKey.ToString())];

    /// <summary>All signatures for a path, space-separated: of those that a client sends, at most <see cref="MaxForeign"/>.</summary>
    public string Sign(PathDeclaration path, IReadOnlyList<StorePath> references)
    {
        var fingerprint = NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, references);
        return string.Join(' ', Valid(path, fingerprint).Concat(keys.Select(k => k.Sign(fingerprint))).Distinct());
    }

    /// <summary>The cache's own signatures alone, space-separated.</summary>
    public string SignOwn(NarInfo info) => string.Join(' ', keys.Select(k => k.Sign(info.Fingerprint())));

    /// <summary>Names of the cache's own keys.</summary>
    public IReadOnlyCollection<string> OwnNames => _own;

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
        var room = MaxForeign - present.Count(IsForeign);
        return string.Join(' ', Valid(path, fingerprint).Where(s => ofUnknownKeys || _known.Contains(s.Split(':')[0])).Except(present)
            .Where(s => !IsForeign(s) || room-- > 0));
    }

    private bool IsForeign(string signature) => !_own.Contains(signature.Split(':')[0]);

    // A signature by a key that we know must verify; one by a key that we do not know is kept for those who do.
    private IEnumerable<string> Valid(PathDeclaration path, string fingerprint)
    {
        // Only as many signatures are verified as could be kept, as verifying one takes long.
        var sent = path.Signatures.Select(s => PathSignature.TryParse(s, out var signature) ? signature : default)
            .Where(s => s != default).Distinct();
        foreach (var signature in sent.Where(s => !_own.Contains(s.KeyName)).Take(MaxForeign)
            .Concat(sent.Where(s => _own.Contains(s.KeyName)).Take(keys.Count)))
        {
            var known = _known[signature.KeyName].ToList();
            if (known.Count == 0 || known.Exists(k => k.Verify(fingerprint, signature.ToString())))
                yield return signature.ToString();
        }
    }
}
