using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>
/// What clients were told and may rely on: that paths are present and NARs stored until their push ends or expires, and that commits are
/// done.
/// </summary>
internal sealed class Promises
{
    private readonly Dictionary<PushId, Promise> _promises = [];
    private readonly HashSet<PushId> _ended = [];
    private readonly Dictionary<PushId, BeginPush> _closures = [];
    // Conflicts and what nobody vouches for, as their clients were told at begin.
    private readonly Dictionary<PushId, HashSet<StorePathHash>> _doubts = [];
    // What their clients were told an upstream has.
    private readonly Dictionary<PushId, HashSet<StorePathHash>> _upstream = [];
    private readonly HashSet<PushId> _committed = [];
    private readonly List<PushId> _told = [];
    // Open pushes that were once past their time: what they lost is not lost by mistake.
    private readonly HashSet<PushId> _lapsed = [];

    /// <summary>The newest push of somebody else than Mallory, and the ids of its grants.</summary>
    public (PushId Push, BeginPush Closure, IReadOnlyList<string> Grants)? Newest { get; private set; }

    /// <param name="said">By an honest client; else empty.</param>
    public void Begun(PushOpened answer, BeginPush closure, IReadOnlyList<Saying> said)
    {
        var push = PushId.TryParse(answer.Id, out var id) ? id : throw new FormatException(answer.Id);
        _closures[push] = closure;
        if (!_upstream.TryGetValue(push, out var upstream))
            _upstream[push] = upstream = [];
        upstream.UnionWith(answer.Upstream);
        if (!Turns.IsHeard || _ended.Contains(push))
            return;
        if (said.Count > 0)
            Newest = (push, closure, [.. answer.Uploads.Select(u => u.Id)]);
        if (!_doubts.TryGetValue(push, out var doubts))
            _doubts[push] = doubts = [];
        doubts.UnionWith(answer.Conflicts.Concat(answer.Unverified));
        var missing = answer.Missing.ToDictionary(m => m.Path, m => m.State);
        _promises[push] = new Promise
        {
            Expires = answer.Expires,
            Present = [.. closure.Paths.Select(p => p.Path.Hash).Where(p => !missing.ContainsKey(p) && !answer.Upstream.Contains(p))],
            Stored = [.. closure.Paths.Where(p => missing.GetValueOrDefault(p.Path.Hash) == PathState.Stored
                && missing.ContainsKey(p.Path.Hash)).Select(p => p.NarHash)],
            // The name of a reference that this push brings anew is printed when its commit is told.
            True = [.. said.Where(s => !missing.ContainsKey(s.Path) && !upstream.Contains(s.Path) && !doubts.Contains(s.Path)
                && !s.References.Any(missing.ContainsKey))],
            IsHonest = said.Count > 0,
        };
    }

    /// <param name="expires">At the earliest.</param>
    public void Opened(Niks3Opened answer, BeginPush closure, IEnumerable<string> keys, DateTimeOffset expires, bool honest)
    {
        _closures[answer.Id] = closure;
        if (!Turns.IsHeard)
            return;
        var uploads = answer.Uploads.Select(u => u.NarHash).ToHashSet();
        _promises[answer.Id] = new Promise
        {
            Expires = expires,
            Present = [.. closure.Paths.Select(p => p.Path.Hash).Where(p => !answer.Missing.Contains(p))],
            Stored = [.. closure.Paths.Where(p => answer.Missing.Contains(p.Path.Hash) && !uploads.Contains(p.NarHash))
                .Select(p => p.NarHash)],
            IsHonest = honest,
            Keys = [.. keys.Where(k => !answer.MissingObjects.Contains(ObjectKey.Parse(k)))],
        };
    }

    public void Waited(PushId push, WaitAnswer answer, BeginPush closure)
    {
        if (!Turns.IsHeard || !_promises.TryGetValue(push, out var promise) || promise.Lapsed)
            return;
        foreach (var path in answer.Paths)
        {
            if (path.State == PathState.Present)
                promise.Present.Add(path.Path);
            else if (path.State == PathState.Stored)
                promise.Stored.Add(NarHashOf(path.Path, closure));
        }
    }

    public void Stored(PushId push, Sha256Hash nar)
    {
        if (Turns.IsHeard && _promises.TryGetValue(push, out var promise) && !promise.Lapsed)
            promise.Stored.Add(nar);
    }

    public void Renewed(PushId push, RenewAnswer answer, BeginPush closure)
    {
        if (!Turns.IsHeard || !_promises.TryGetValue(push, out var promise))
            return;
        promise.Expires = answer.Expires;
        promise.Lapsed = false;
        promise.Present.ExceptWith(answer.Lost);
        promise.Stored.ExceptWith(answer.Lost.Select(p => NarHashOf(p, closure)));
        promise.True.RemoveAll(s => answer.Lost.Contains(s.Path));
    }

    /// <returns>Of what was said, that of which the client was told nothing else.</returns>
    public IEnumerable<Saying> Committed(PushId push, CommitAnswer answer, IReadOnlyList<Saying> said)
    {
        Ends(push);
        _told.Add(push);
        return [.. said.Where(s => !answer.Conflicts.Contains(s.Path) && !IsUpstream(push, s.Path)
            && !(_doubts.TryGetValue(push, out var doubts) && doubts.Contains(s.Path)))];
    }

    /// <summary>The client gives it up.</summary>
    public void Ends(PushId push)
    {
        _ended.Add(push);
        _promises.Remove(push);
    }

    /// <summary>Was the push past its time, now or before?</summary>
    public bool HasLapsed(PushId push) => _lapsed.Contains(push);

    public void Check(CatalogState state, ModelStore store, Truths truths, Withdrawn withdrawn, Action<bool, string, string> check)
    {
        _lapsed.UnionWith(state.Pushes.Where(u => u.State == "open" && u.Expires < state.Now).Select(u => u.Key));
        foreach (var (push, promise) in _promises)
        {
            promise.Lapsed |= promise.Expires < state.Now;
            var row = state.Pushes.Find(u => u.Key == push);
            if (promise.Lapsed || row is { State: "committed" } or { IsWithdrawn: true })
                continue;
            // One that declares or was promised what was taken back ends when it is begun again.
            if (row is { State: "aborted" } && _closures[push].Paths.Any(p => withdrawn.Path(p.Path.Hash, row.Created)
                || withdrawn.Nar(p.NarHash, row.Created)))
                continue;
            check(row is { State: not "aborted" }, "I3", $"push {push} is {row?.State}, and its client neither knows nor was silent");
            if (row is null)
                continue;
            foreach (var path in promise.Present.Where(p => !withdrawn.Path(p, row.Created)))
                check(store.Objects.ContainsKey($"{path}.narinfo"), "I3",
                    $"push {push} was told that {path} is present, and its narinfo is not in the bucket");
            // One that a commit has just superseded is being written; no commit is answered before that.
            foreach (var saying in promise.True.Where(s => !withdrawn.Path(s.Path, row.Created)
                && state.Paths.Values.Any(p => p.Hash == s.Path && p.Recorded)))
                truths.Check(saying, "present", 1, store, check);
            foreach (var key in promise.Keys.Where(k => !withdrawn.Key(k, row.Created)))
                check(store.Objects.ContainsKey(key), "I3", $"push {push} was told that {key} is there, and it is not in the bucket");
            foreach (var nar in promise.Stored.Where(n => !withdrawn.Nar(n, row.Created)))
            {
                // Of liars' uploads some are refused.
                check(!promise.IsHonest && truths.Policy != VerifyPolicy.Off
                    || state.Objects.Values.Any(o => o.NarHash == nar && o.State is "stored" or "live" or "condemned"
                    && store.Objects.TryGetValue(o.Key, out var body) && (!promise.IsHonest || Bodies.Is(body, o.Key, nar))),
                    "I3", $"push {push} was told that the NAR {nar} is stored, and it is not");
            }
        }

        // At the moment of the commit all of it is there; afterwards retention and pins decide.
        foreach (var push in state.Pushes.Where(u => u.State == "committed" && _closures.ContainsKey(u.Key) && _committed.Add(u.Key)))
        {
            foreach (var path in _closures[push.Key].Paths.Where(p => !IsUpstream(push.Key, p.Path.Hash)))
            {
                check(state.Paths.Values.Any(p => p.Hash == path.Path.Hash && p.State == "live")
                    && store.Objects.ContainsKey($"{path.Path.Hash}.narinfo"),
                    "I5", $"push {push.Key} is committed, and {path.Path.Name} is not there");
            }
        }

        foreach (var push in _told)
            check(state.Pushes.Exists(u => u.Key == push && u.State == "committed"), "I5",
                $"push {push} was told that it is committed, and it is not");
        _told.Clear();
    }

    private bool IsUpstream(PushId push, StorePathHash path) => _upstream.TryGetValue(push, out var upstream) && upstream.Contains(path);

    private static Sha256Hash NarHashOf(StorePathHash path, BeginPush closure) => closure.Paths.First(p => p.Path.Hash == path).NarHash;

    private sealed class Promise
    {
        public required DateTimeOffset Expires { get; set; }

        public required HashSet<StorePathHash> Present { get; init; }

        public required HashSet<Sha256Hash> Stored { get; init; }

        /// <summary>What the narinfos of those that are present say.</summary>
        public List<Saying> True { get; init; } = [];

        /// <summary>Its client sends what it declares, and is to get what others declared.</summary>
        public bool IsHonest { get; init; }

        /// <summary>Logs and realisations.</summary>
        public IReadOnlyList<string> Keys { get; init; } = [];

        public bool Lapsed { get; set; }
    }
}
