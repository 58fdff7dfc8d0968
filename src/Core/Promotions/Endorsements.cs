using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Promotions;

/// <summary>
/// Paths of stages that a promotion key has signed. The catalog keeps the signatures that clients send and knows no keys, so each is
/// verified here, once for each content.
/// </summary>
internal sealed class Endorsements(AgreementCatalog catalog)
{
    private const int Batch = 2_000;
    private Dictionary<(long Row, string Fingerprint, string Signature), bool> _known = [];

    /// <summary>The rows, of all these stages.</summary>
    /// <param name="cache">The cache that has the stages.</param>
    /// <param name="stages">The keys whose word counts in each.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public async Task<List<long>> FindAsync(int cache, IReadOnlyList<(CacheName Stage, IReadOnlyList<PublicKey> Keys)> stages,
        CancellationToken cancellationToken)
    {
        var (former, found) = (_known, new List<long>());
        _known = [];
        foreach (var (stage, keys) in stages.Where(s => s.Keys.Count > 0))
        {
            var byName = keys.ToLookup(k => k.Name, StringComparer.Ordinal);
            for (long after = 0; ;)
            {
                var paths = await catalog.SignedAsync(cache, stage, [.. byName.Select(k => k.Key)], after, Batch, cancellationToken);
                found.AddRange(paths.Where(p => IsSigned(p, byName, former)).Select(p => p.Id));
                if (paths.Count < Batch)
                    break;
                after = paths[^1].Id;
            }
        }

        return found;
    }

    private bool IsSigned(SignedPath path, ILookup<string, PublicKey> keys,
        Dictionary<(long Row, string Fingerprint, string Signature), bool> former)
    {
        var fingerprint = NarInfo.FingerprintOf(path.Path, path.NarHash, path.NarSize, path.References);
        foreach (var signature in path.Signatures)
        {
            foreach (var key in keys[signature.Split(':')[0]])
            {
                var what = (path.Id, fingerprint, $"{signature} {key}");
                if (_known[what] = former.TryGetValue(what, out var isGood) ? isGood : key.Verify(fingerprint, signature))
                    return true;
            }
        }

        return false;
    }
}
