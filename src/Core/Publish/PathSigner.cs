using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>Signs paths with the cache's keys, and keeps those of a client's signatures that are not known to be wrong.</summary>
/// <param name="keys">Those whose secrets this process has.</param>
/// <param name="commands">The others.</param>
/// <param name="trusted">Keys that sign nothing here.</param>
internal sealed class PathSigner(IReadOnlyList<SecretKey> keys, IReadOnlyList<SigningCommand> commands, IReadOnlyList<PublicKey> trusted)
{
    /// <summary>Signatures of one path by keys that are not the cache's own.</summary>
    public const int MaxForeign = 16;

    private readonly HashSet<string> _own = PublicsOf(keys, commands).Select(k => k.Name).ToHashSet(StringComparer.Ordinal);
    private readonly ILookup<string, PublicKey> _known = PublicsOf(keys, commands).Concat(trusted).ToLookup(k => k.Name);

    public IReadOnlyList<string> PublicKeys { get; } = [.. PublicsOf(keys, commands).Select(k => k.ToString())];

    /// <summary>All signatures for each path, space-separated: of those that a client sends, at most <see cref="MaxForeign"/>.</summary>
    public ValueTask<string[]> SignAsync(IReadOnlyList<(PathDeclaration Path, IReadOnlyList<StorePath> References)> paths,
        CancellationToken cancellationToken) => SignAsync(paths.Count, i => NarInfo.FingerprintOf(
            paths[i].Path.Path, paths[i].Path.NarHash, paths[i].Path.NarSize, paths[i].References),
            (i, fingerprint) => Valid(paths[i].Path, fingerprint), cancellationToken);

    /// <summary>The cache's own signatures alone, space-separated.</summary>
    public ValueTask<string[]> SignOwnAsync(IReadOnlyList<NarInfo> infos, CancellationToken cancellationToken) =>
        SignAsync(infos.Count, i => infos[i].Fingerprint(), static (_, _) => [], cancellationToken);

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

    private static IEnumerable<PublicKey> PublicsOf(IEnumerable<SecretKey> keys, IEnumerable<SigningCommand> commands) =>
        keys.Select(k => k.PublicKey).Concat(commands.Select(c => c.PublicKey));

    private async ValueTask<string[]> SignAsync(int count, Func<int, string> fingerprintOf, Func<int, string, IEnumerable<string>> others,
        CancellationToken cancellationToken)
    {
        var signatures = new string[count];
        var fingerprints = commands.Count == 0 ? null : new string[count];
        Parallel.For(0, count, i =>
        {
            var fingerprint = fingerprintOf(i);
            signatures[i] = string.Join(' ', others(i, fingerprint).Concat(keys.Select(k => k.Sign(fingerprint))).Distinct());
            if (fingerprints is not null)
                fingerprints[i] = fingerprint;
        });
        foreach (var command in count == 0 ? [] : commands)
        {
            var more = await command.SignAsync(fingerprints!, cancellationToken);
            for (var i = 0; i < count; i++)
                signatures[i] = string.Join(' ',
                    signatures[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Append(more[i]).Distinct());
        }

        return signatures;
    }

    private bool IsForeign(string signature) => !_own.Contains(signature.Split(':')[0]);

    // A signature by a key that we know must verify; one by a key that we do not know is kept for those who do.
    private IEnumerable<string> Valid(PathDeclaration path, string fingerprint)
    {
        // Only as many signatures are verified as could be kept, as verifying one takes long.
        var sent = path.Signatures.Select(s => PathSignature.TryParse(s, out var signature) ? signature : default)
            .Where(s => s != default).Distinct();
        foreach (var signature in sent.Where(s => !_own.Contains(s.KeyName)).Take(MaxForeign)
            .Concat(sent.Where(s => _own.Contains(s.KeyName)).Take(_own.Count)))
        {
            var known = _known[signature.KeyName].ToList();
            if (known.Count == 0 || known.Exists(k => k.Verify(fingerprint, signature.ToString())))
                yield return signature.ToString();
        }
    }
}
