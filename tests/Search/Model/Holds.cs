using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>
/// What stock clients were told is there, and for how long they may rely on it: two hours from the last call of their credential, and a day
/// at most, of which a hold that takes new promises has at least 23 hours left.
/// </summary>
internal sealed class Holds
{
    private static readonly TimeSpan Idle = TimeSpan.FromHours(2);
    private static readonly TimeSpan Most = TimeSpan.FromHours(23);
    private readonly List<Held> _held = [];

    /// <summary>A request of a credential was answered.</summary>
    /// <param name="key">There until further notice; null: none in particular.</param>
    /// <param name="file">Of what the key holds, or of some NAR; null: any bytes, or none.</param>
    public void Told(string credential, DateTimeOffset started, DateTimeOffset now, string? key, Sha256Hash? file)
    {
        if (!Turns.IsHeard)
            return;
        foreach (var held in _held.Where(h => h.Credential == credential && h.Until >= now))
            held.Until = started + Idle < held.Made + Most ? started + Idle : held.Made + Most;
        if (key is not null || file is not null)
            _held.Add(new Held(credential, key, file, started) { Until = started + Idle });
    }

    public void Check(CatalogState state, ModelStore store, Withdrawn withdrawn, Action<bool, string, string> check)
    {
        _held.RemoveAll(h => h.Until < state.Now);
        foreach (var held in _held.Where(h => !(h.Key is not null && withdrawn.Key(h.Key, h.Made.UtcDateTime) || h.File is { } file
            && withdrawn.File(file, h.Made.UtcDateTime))))
        {
            var isThere = held.Key is null
                ? store.Objects.Any(o => o.Key.StartsWith("nar/", StringComparison.Ordinal) && Sha256Hash.Compute(o.Value) == held.File)
                : store.Objects.TryGetValue(held.Key, out var body) && (held.File is null || Sha256Hash.Compute(body) == held.File);
            check(isThere, "I3",
                $"{held.Credential} was told that {held.Key ?? $"the file {held.File}"} is there, and it is not in the bucket");
        }
    }

    private sealed record Held(string Credential, string? Key, Sha256Hash? File, DateTimeOffset Made)
    {
        public required DateTimeOffset Until { get; set; }
    }
}
