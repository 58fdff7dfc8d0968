using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>What evictions have taken, each with its time: it excuses who was told of just that before.</summary>
internal sealed class Withdrawn
{
    private readonly Dictionary<StorePathHash, DateTime> _paths = [];
    private readonly Dictionary<string, DateTime> _keys = [];
    private readonly Dictionary<Sha256Hash, DateTime> _files = [];
    private readonly Dictionary<Sha256Hash, DateTime> _nars = [];
    private readonly Dictionary<long, (string Key, Sha256Hash Nar, byte[] Body)> _seen = [];
    private readonly HashSet<(StorePathHash Path, string Key)> _belongings = [];

    public bool Path(StorePathHash path, DateTime told) => _paths.TryGetValue(path, out var at) && at >= told;

    /// <summary>A narinfo, a NAR, or what belonged to a path.</summary>
    public bool Key(string key, DateTime told) => _keys.TryGetValue(key, out var at) && at >= told;

    public bool File(Sha256Hash file, DateTime told) => _files.TryGetValue(file, out var at) && at >= told;

    public bool Nar(Sha256Hash nar, DateTime told) => _nars.TryGetValue(nar, out var at) && at >= told;

    public void Look(CatalogState state, ModelStore store)
    {
        // Of what an eviction has taken the rows say no more.
        foreach (var nar in state.Objects.Values.Where(o => o.Kind == "nar" && o.NarHash is not null))
        {
            if (store.Objects.TryGetValue(nar.Key, out var body)
                && !(_seen.TryGetValue(nar.Id, out var known) && ReferenceEquals(known.Body, body)))
                _seen[nar.Id] = (nar.Key, nar.NarHash!.Value, body);
        }

        foreach (var path in state.Paths.Values)
        {
            foreach (var item in path.Objects.Where(o => state.Objects[o].Kind != "nar"))
                _belongings.Add((path.Hash, state.Objects[item].Key));
        }

        foreach (var eviction in state.Evictions)
        {
            foreach (var path in eviction.Paths.Select(p => state.Paths[p].Hash))
            {
                _paths[path] = eviction.Barred;
                _keys[$"{path}.narinfo"] = eviction.Barred;
                // Logs and realisations are the next collection's.
                foreach (var (_, key) in _belongings.Where(b => b.Path == path))
                    _keys[key] = eviction.Barred;
            }

            foreach (var nar in eviction.Objects)
            {
                if (!_seen.TryGetValue(nar, out var known))
                    continue;
                _keys[known.Key] = _nars[known.Nar] = _files[Sha256Hash.Compute(known.Body)] = eviction.Barred;
            }
        }
    }
}
