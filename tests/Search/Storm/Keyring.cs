using OrleansCache.Nix;

namespace OrleansCache.Storm;

/// <summary>The keys that readers of a cache trust. A rotation adds one; those that came before it stay until the end.</summary>
internal sealed class Keyring(IEnumerable<PublicKey> keys)
{
    private volatile IReadOnlyList<PublicKey> _keys = [.. keys];

    public IReadOnlyList<PublicKey> Keys => _keys;

    public bool Verifies(NarInfo info) => _keys.Any(info.Verify);

    public void Know(IEnumerable<PublicKey> more) => _keys = [.. _keys.Concat(more).DistinctBy(key => key.ToString())];

    /// <summary>Only these are trusted from now on.</summary>
    public void Become(IEnumerable<PublicKey> active) => _keys = [.. active];
}
