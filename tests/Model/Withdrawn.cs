using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>What evictions have taken, each with its time: it excuses who was told of just that before.</summary>
internal sealed class Withdrawn
{
    private readonly Dictionary<StorePathHash, DateTime> _paths = [];
    private readonly Dictionary<string, DateTime> _keys = [];
    private readonly Dictionary<Sha256Hash, DateTime> _files = [];
    private readonly Dictionary<Sha256Hash, DateTime> _nars = [];

    public bool Path(StorePathHash path, DateTime told) => _paths.TryGetValue(path, out var at) && at >= told;

    /// <summary>A narinfo, a NAR, or what belonged to a path.</summary>
    public bool Key(string key, DateTime told) => _keys.TryGetValue(key, out var at) && at >= told;

    public bool File(Sha256Hash file, DateTime told) => _files.TryGetValue(file, out var at) && at >= told;

    public bool Nar(Sha256Hash nar, DateTime told) => _nars.TryGetValue(nar, out var at) && at >= told;

    public void Look(CatalogState state, ModelStore store)
    {
        foreach (var eviction in state.Evictions)
        {
            foreach (var path in eviction.Paths.Select(p => state.Paths[p]))
            {
                _paths[path.Hash] = eviction.Barred;
                _keys[$"{path.Hash}.narinfo"] = eviction.Barred;
                // Logs and realisations are the next collection's.
                foreach (var item in path.Objects.Where(o => state.Objects[o].Kind != "nar"))
                    _keys[state.Objects[item].Key] = eviction.Barred;
            }

            foreach (var nar in eviction.Objects.Where(state.Objects.ContainsKey).Select(o => state.Objects[o]))
            {
                _keys[nar.Key] = eviction.Barred;
                _nars[nar.NarHash!.Value] = eviction.Barred;
                if (store.Objects.TryGetValue(nar.Key, out var body))
                    _files[Sha256Hash.Compute(body)] = eviction.Barred;
            }
        }
    }
}
