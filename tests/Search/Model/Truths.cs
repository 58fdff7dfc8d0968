using System.Globalization;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>
/// I13: what an honest publisher was told or pinned stays whole and true. Its narinfo says what that publisher declared, is signed, and
/// leads to the declared bytes: (1) present at begin, without being called a conflict or unverified: while the push is open; (2) committed,
/// without being called so then or at begin: while the path is there; (3) pinned with a push: as (2), as a pin keeps its closure; (4)
/// pinned without one: as it was when the pin was set, while the pin keeps it, and its bytes are the NAR's; (5) superseded: its NAR stays
/// for thirty days.
/// </summary>
/// <remarks>
/// Allowed, since it is a withdrawal that the row records: what a publisher of a higher rank declares takes the place of (1) and (2). Of an
/// equal rank nothing does, but for (1) where the path was there on the word of a lower rank, which the commit tells, and for (4), which
/// declares nothing: a push of the same rank that was past its commit when the pin was set publishes what it declares. That somebody
/// publishes the same declaration anew with a NAR that a server has read changes nothing of what is compared here. Where servers read, the
/// same NAR with more references, all of which occur in it, is the truth about it, whoever says so. 'present' in the answer
/// to a wait says only that the path is there; the commit tells whether it is as declared. Clients of deferred pushes declare no names of
/// what they do not bring, and are told nothing of it.
/// </remarks>
internal sealed class Truths(VerifyPolicy policy)
{
    private static readonly TimeSpan Remembered = TimeSpan.FromDays(30) - TimeSpan.FromMinutes(1);

    private readonly List<Saying> _declared = [];
    private readonly List<Saying> _committed = [];
    private readonly List<Pinned> _pinned = [];
    // The NARs of live paths, and those that were superseded.
    private readonly Dictionary<StorePathHash, string> _nars = [];
    private readonly List<(string Key, long Object, DateTimeOffset Until)> _former = [];

    public VerifyPolicy Policy => policy;

    /// <summary>Of what an honest publisher is about to push, each path as its narinfo has to say it.</summary>
    public List<Saying> Declare(Caller caller, IReadOnlyList<PathDeclaration> closure)
    {
        var names = closure.ToDictionary(p => p.Path.Hash, p => p.Path);
        List<Saying> said =
            [.. closure.Select(p =>
            new Saying(p.Path.Hash, Text(p.Path, p.NarHash, p.NarSize, p.References.Select(r => names.TryGetValue(r, out var name) ? name
            : p.Path), p.Ca?.ToString()), caller.Rank, caller.Publisher, caller.Group, [.. p.References]))];
        _declared.AddRange(said);
        return said;
    }

    public void Committed(IEnumerable<Saying> sayings)
    {
        if (Turns.IsHeard)
            _committed.AddRange(sayings);
    }

    /// <summary>
    /// A push was committed with its pin, and was told of conflicts: builds of its own group, which a pin takes as they are.
    /// </summary>
    public void PushedPin(Caller caller, IEnumerable<StorePathHash> conflicts, ModelStore store, Action<bool, string, string> check)
    {
        if (!Turns.IsHeard)
            return;
        foreach (var path in conflicts)
        {
            if (Read(store, path) is { } info && Text(info) is var text)
                check(_declared.Exists(d => d.Path == path && d.Text == text && d.Group == caller.Group), "I13",
                    $"the pin of {caller.Publisher} was moved, and nobody of its group declares what the narinfo says: {text}");
        }
    }

    /// <summary>A pin was set without a push: what it keeps, as it is now.</summary>
    public void Pin(PinName pin, StorePath path, ModelStore store)
    {
        var closure = new Dictionary<StorePathHash, (string Text, IReadOnlyList<StorePathHash> References)>();
        Add(path.Hash);
        _pinned.Add(new Pinned(pin.ToString(), path.Hash, closure));

        void Add(StorePathHash hash)
        {
            if (closure.ContainsKey(hash) || Read(store, hash) is not { } info)
                return;
            closure.Add(hash, (Text(info), [.. info.References.Select(r => r.Hash)]));
            foreach (var reference in info.References)
                Add(reference.Hash);
        }
    }

    public void Check(CatalogState state, ModelStore store, Action<bool, string, string> check)
    {
        CheckFormer(state, store, check);
        // What was collected may come back as anything.
        var there = state.Paths.Values.Where(p => p.State is "live" or "condemned").Select(p => p.Hash).ToHashSet();
        _committed.RemoveAll(s => !there.Contains(s.Path));
        foreach (var saying in _committed)
            Check(saying, "committed", saying.Rank + 1, store, check);
        _pinned.RemoveAll(k => !state.Pins.Any(p => p.Name == k.Pin && !p.Deleted
            && p.Kept.Any(path => state.Paths.TryGetValue(path, out var row) && row.Hash == k.Path)));
        foreach (var pinned in _pinned)
        {
            foreach (var (path, text) in pinned.Closure)
                Check(new Saying(path, text.Text, 1, "who pinned it", "", text.References), "pinned", 1, store, check);
        }
    }

    // Readers remember a narinfo for thirty days.
    private void CheckFormer(CatalogState state, ModelStore store, Action<bool, string, string> check)
    {
        foreach (var path in state.Paths.Values.Where(p => p.State != "live"))
            _nars.Remove(path.Hash);
        foreach (var path in state.Paths.Values.Where(p => p.State == "live" && state.Objects.ContainsKey(p.Objects[0])))
        {
            var key = state.Objects[path.Objects[0]].Key;
            if (_nars.TryGetValue(path.Hash, out var former) && former != key)
                _former.Add((former, state.Objects.Values.First(o => o.Key == former).Id, state.Now + Remembered));
            _nars[path.Hash] = key;
        }

        // What is taken back, or is not what it was said to be, nobody keeps.
        _former.RemoveAll(f => f.Until < state.Now || state.Objects.TryGetValue(f.Object, out var row) && row.Refused
            || state.Evictions.Exists(e => e.Objects.Contains(f.Object)));
        foreach (var (key, _, _) in _former)
            check(store.Objects.ContainsKey(key), "I13", $"{key} was superseded less than thirty days ago, and is not in the bucket");
    }

    /// <param name="above">The rank from which on somebody else's declaration counts.</param>
    public void Check(Saying saying, string told, int above, ModelStore store, Action<bool, string, string> check)
    {
        if (Read(store, saying.Path) is not { } info)
            return;
        var text = Text(info);
        check(text == saying.Text || RefersToMore(info, saying, store)
            || _declared.Exists(d => d.Path == saying.Path && d.Rank >= above && d.Text == text),
            "I13", $"{saying.Publisher} was told that this is {told}: {saying.Text}; the narinfo says: {text}");
        check(info.Verify(Gateway.Key), "I13",
            $"{saying.Publisher} was told that {info.StorePath.Name} is {told}, and its narinfo has no signature that is right");
        check(!store.Objects.TryGetValue(info.Url, out var nar) || IsTrue(info, nar), "I13",
            $"{saying.Publisher} was told that {info.StorePath.Name} is {told}, and {info.Url} holds other bytes");
    }

    // The larger set of references wins when the NAR has them all, whoever declares it.
    private bool RefersToMore(NarInfo info, Saying saying, ModelStore store)
    {
        if (policy == VerifyPolicy.Off || !store.Objects.TryGetValue(info.Url, out var file))
            return false;
        var nar = Bodies.NarOf(file, info.Url);
        var own = info.References.Where(r => saying.References.Contains(r.Hash));
        return Text(info.StorePath, info.NarHash, info.NarSize, own, info.Ca?.ToString()) == saying.Text
            && info.References.All(r => Bodies.Mentions(nar, r.Hash));
    }

    private static bool IsTrue(NarInfo info, byte[] nar) =>
        Bodies.Is(nar, info.Url, info.NarHash) && info.FileSize == nar.Length
            && (info.FileHash is null || info.FileHash == Sha256Hash.Compute(nar));

    private static NarInfo? Read(ModelStore store, StorePathHash path) =>
        store.Objects.TryGetValue($"{path}.narinfo", out var text) && NarInfo.TryParse(Encoding.UTF8.GetString(text), out var info, out _)
            ? info : null;

    private static string Text(NarInfo info) => Text(info.StorePath, info.NarHash, info.NarSize, info.References, info.Ca?.ToString());

    private static string Text(StorePath path, Sha256Hash nar, long size, IEnumerable<StorePath> references, string? ca) =>
        string.Create(CultureInfo.InvariantCulture,
            $"{path.Name} {nar} {size} [{string.Join(' ', references.Select(r => r.Name).Order(StringComparer.Ordinal))}] {ca}");

    private sealed record Pinned(string Pin, StorePathHash Path,
        Dictionary<StorePathHash, (string Text, IReadOnlyList<StorePathHash> References)> Closure);
}

/// <summary>What the narinfo of a path has to say.</summary>
internal sealed record Saying(StorePathHash Path, string Text, int Rank, string Publisher, string Group,
    IReadOnlyList<StorePathHash> References);
