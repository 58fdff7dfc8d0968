using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <param name="Path">Which; the hash alone where the source does not say the name.</param>
/// <param name="Why">In words, after the path.</param>
/// <param name="Cause">
/// The path that it refers to, directly or not, and that is refused for a reason of its own; null: this is that one.
/// </param>
internal sealed record Refusal(string Path, string Why, string? Cause);

/// <summary>What of a source is left out, and why. With a path goes all that refers to it, as no cache may lack a reference.</summary>
internal sealed class Refusals
{
    private readonly Dictionary<StorePathHash, Refusal> _refused = [];
    private readonly List<Refusal> _causes = [];

    public int Count => _refused.Count;

    /// <summary>Those with a reason of their own first.</summary>
    public IEnumerable<Refusal> All => _refused.Values.OrderBy(refusal => refusal.Cause is not null)
        .ThenBy(refusal => refusal.Path, StringComparer.Ordinal);

    /// <summary>Those with a reason of their own, in the order in which it was found.</summary>
    public IReadOnlyList<Refusal> InOrder => _causes;

    public bool Has(StorePathHash hash) => _refused.ContainsKey(hash);

    public Refusal? Of(StorePathHash hash) => _refused.GetValueOrDefault(hash);

    /// <returns>False: it was refused before.</returns>
    public bool Add(StorePathHash hash, string path, string why, string? cause = null)
    {
        var refusal = new Refusal(path, why, cause);
        if (!_refused.TryAdd(hash, refusal))
            return false;
        if (cause is null)
            _causes.Add(refusal);
        return true;
    }
}
