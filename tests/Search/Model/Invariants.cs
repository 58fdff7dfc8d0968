using System.Text;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>What must hold after every step, and what must hold when everything has come to rest.</summary>
internal sealed class Invariants(Schedule schedule, CatalogState state)
{
    private readonly ModelStore _store = schedule.Store;
    private readonly Dictionary<StorePathHash, PathRow> _byHash = state.Paths.Values.ToDictionary(p => p.Hash);
    private readonly Dictionary<string, ObjectRow> _byKey = state.Objects.Values.ToDictionary(o => o.Key);

    public void CheckStep()
    {
        schedule.Withdrawn.Look(state, _store);
        ListsAreStates();
        LiveIsClosed();
        BucketIsClosed();
        RootedIsLive();
        RowsAreInTheBucket();
        BucketHasRows();
        PinsChangeOnce();
        BoundariesAreUpstream();
        PinnedIsWhole();
        schedule.Promises.Check(state, _store, schedule.Truths, schedule.Withdrawn, Check);
        schedule.Truths.Check(state, _store, Check);
        schedule.Holds.Check(state, _store, schedule.Withdrawn, Check);
        BarsHold();
        ReadingsAreTrue();
    }

    /// <summary>After everything has ended and the background work had its time.</summary>
    public void CheckRest()
    {
        foreach (var push in state.Pushes)
            Check(push.State is "committed" or "aborted", "I6", $"push {push.Id} is {push.State} for ever");
        foreach (var path in state.Paths.Values)
            Check(path.State is "gone" or "condemned" || path is { State: "live", Recorded: true }, "I6",
                $"{Name(path)} stays {path.State}{(path.Recorded ? "" : ", unwritten")}");
        foreach (var item in state.Objects.Values)
            Check(item.State is "live" or "condemned" or "gone", "I6", $"{item.Key} stays {item.State}");
        foreach (var pin in state.Pins)
        {
            Check(pin is { Recorded: true, Deleted: false }, "I7", $"pin {pin.Name} stays unwritten");
            Check(_store.Objects.TryGetValue($"pins/{pin.Name}", out var body) && Encoding.UTF8.GetString(body)
                .Contains($"{state.Paths[pin.Path].Hash}", StringComparison.Ordinal),
                "I7", $"pin {pin.Name} says one thing in the bucket and another in the catalog");
        }

        foreach (var eviction in state.Evictions)
            Check(eviction.IsFinished, "I6", "an eviction does not end");
        foreach (var path in state.Paths.Values)
            Check(!path.Barred, "I14", $"{Name(path)} stays, and is barred");

        Check(state.Unread == 0, "I8", "something waits to be read for ever");
        Check(_store.Multiparts.Count == 0, "I4", "a multipart upload stays open");
        foreach (var key in _store.Objects.Keys)
        {
            var known = key.EndsWith(".narinfo", StringComparison.Ordinal) || key.EndsWith(".ls", StringComparison.Ordinal)
                ? Row(key)?.State is "live" or "condemned"
                : key.StartsWith("pins/", StringComparison.Ordinal) || _byKey.GetValueOrDefault(key)?.State is "live" or "condemned";
            Check(known, "I4", $"{key} stays in the bucket");
        }
    }

    /// <summary>After all pins were deleted and everything was collected.</summary>
    public void CheckEmpty()
    {
        Check(_store.Objects.Count == 0, "I4", $"{string.Join(' ', _store.Objects.Keys)} survives a collection of everything");
        foreach (var path in state.Paths.Values)
            Check(path.State == "gone", "I4", $"{Name(path)} is {path.State} after a collection of everything");
    }

    // What nobody finds is never deleted or written.
    private void ListsAreStates()
    {
        foreach (var unequal in state.Unequal)
            Check(false, "lists", unequal);
    }

    // I11
    private void LiveIsClosed()
    {
        foreach (var path in state.Paths.Values.Where(p => p.State == "live"))
        {
            foreach (var reference in path.References)
                Check(state.Paths.TryGetValue(reference, out var row) && row.State == "live", "I11",
                    $"{Name(path)} is live, its reference {Name(reference)} is not");
            foreach (var item in path.Objects)
                Check(state.Objects.TryGetValue(item, out var row) && row.State == "live", "I11",
                    $"{Name(path)} is live, its object {item} is {state.Objects.GetValueOrDefault(item)?.State}");
        }
    }

    // I1, and I10 as far as a bucket shows it.
    private void BucketIsClosed()
    {
        foreach (var key in _store.NarInfos)
        {
            var text = Encoding.UTF8.GetString(_store.Objects[key]);
            if (!NarInfo.TryParse(text, out var info, out var error))
            {
                Check(false, "I10", $"{key} is no narinfo: {error}");
                continue;
            }

            Check(key == $"{info.StorePath.Hash}.narinfo"
                && (schedule.HasLies || info.StorePath == Universe.Path(schedule.Universe.NameOf(info.StorePath.Hash))), "I10",
                $"{key} is that of {info.StorePath}");
            Check(schedule.Signed.Contains(text) || info.Verify(Gateway.Key) && schedule.Signed.Add(text), "I10",
                $"the narinfo of {info.StorePath.Name} has no signature that is right");
            Check(_store.Objects.TryGetValue(info.Url, out var nar), "I1",
                $"the narinfo of {info.StorePath.Name} is visible, its NAR is not");
            if (nar is not null && schedule.Policy == VerifyPolicy.Always)
                SignedIsRead(info, nar);
            if (nar is not null && !schedule.HasLies)
            {
                Check(Bodies.Is(nar, info.Url, info.NarHash) && info.FileSize == nar.Length && (info.FileHash is null
                    || info.FileHash == Sha256Hash.Compute(nar)), "I10", $"the narinfo of {info.StorePath.Name} leads to other bytes");
            }

            foreach (var reference in info.References)
                Check(_store.Objects.ContainsKey($"{reference.Hash}.narinfo")
                    || state.Boundaries.Contains((info.StorePath.Hash, reference.Hash)), "I1",
                    $"the narinfo of {info.StorePath.Name} is visible, that of its reference {reference.Name} is not");
        }

        foreach (var (key, body) in _store.Objects.Where(o => o.Key.StartsWith("pins/", StringComparison.Ordinal)))
        {
            var path = StorePath.Parse(Encoding.UTF8.GetString(body).Split('/')[^1]);
            // A pin whose path was taken back keeps it, and says so.
            Check(_store.Objects.ContainsKey($"{path.Hash}.narinfo") || state.Broken.Contains(path.Hash), "I7",
                $"{key} in the bucket names {path.Name}, whose narinfo is not there");
        }
    }

    // A boundary is what the upstream has, or had.
    private void BoundariesAreUpstream()
    {
        foreach (var (path, reference) in state.Boundaries)
            Check(schedule.Upstream?.Had(reference) == true, "I1",
                $"{schedule.Universe.NameOf(path)} leaves {schedule.Universe.NameOf(reference)} to an upstream that never had it");
    }

    // What a pin keeps needs no upstream.
    private void PinnedIsWhole()
    {
        if (schedule.Upstream is null)
            return;
        var seen = new HashSet<StorePathHash>();
        foreach (var pin in state.Pins)
        {
            foreach (var path in pin.Kept.Where(state.Paths.ContainsKey))
                Walk(state.Paths[path].Hash, pin.Name);
        }

        void Walk(StorePathHash path, string pin)
        {
            if (!seen.Add(path) || state.Broken.Contains(path)
                || !_store.Objects.TryGetValue($"{path}.narinfo", out var text)
                || !NarInfo.TryParse(Encoding.UTF8.GetString(text), out var info, out _))
                return;
            foreach (var reference in info.References)
            {
                Check(_store.Objects.ContainsKey($"{reference.Hash}.narinfo"), "I2",
                    $"pin {pin} keeps {info.StorePath.Name}, whose reference {reference.Name} only an upstream has");
                Walk(reference.Hash, pin);
            }
        }
    }

    // I12: what is sent again, or comes late, changes nothing a second time.
    private void PinsChangeOnce()
    {
        foreach (var pin in state.Pins)
            Check(pin.Revision <= schedule.PinChanges, "I12",
                $"pin {pin.Name} is at revision {pin.Revision}, and {schedule.PinChanges} changes were asked for");
    }

    // I2: what a pin, a retained closure or an open push reaches is live; so it is not deleted, and nothing can delete it.
    private void RootedIsLive()
    {
        foreach (var pin in state.Pins)
        {
            foreach (var path in pin.Kept)
                MustBeLive(path, $"pin {pin.Name}");
        }

        if (schedule.Retains)
        {
            foreach (var root in state.Roots.Where(r => r.Pushed + Policy.Retention > state.Now))
                MustBeLive(root.Path, "a closure inside its retention");
        }

        foreach (var push in state.Pushes.Where(u => u.State == "committing" || u.State == "open" && u.Expires >= state.Now
            && !schedule.Promises.HasLapsed(u.Key)))
        {
            foreach (var path in push.Paths.Where(p => !schedule.Withdrawn.Path(state.Paths[p].Hash, push.Created)))
                MustBeLive(path, $"push {push.Id}", orPublishing: push.IsHold);
            // What is refused is held by nobody, who is told so at the commit.
            foreach (var item in push.Objects.Where(o => state.Objects.GetValueOrDefault(o) is not { Refused: true }
                && !state.Evictions.Exists(e => e.Barred >= push.Created && e.Objects.Contains(o))))
                Check(state.Objects.TryGetValue(item, out var row) && row.State is "claimed" or "stored" or "publishing" or "live",
                    "I2", $"push {push.Id} holds {row?.Key}, which is {row?.State ?? "no row any more"}");
        }
    }

    // A stock client's hold takes a path when its narinfo is accepted: what is publishing goes nowhere but live.
    private void MustBeLive(long path, string root, bool orPublishing = false) =>
        Check(state.Paths.TryGetValue(path, out var row) && (row.State == "live" || orPublishing && row.State == "publishing"), "I2",
            $"{Name(path)} is kept by {root}, and is {row?.State ?? "no row any more"}");

    private void RowsAreInTheBucket()
    {
        foreach (var path in state.Paths.Values.Where(p => p.State is "live" or "condemned"))
            Check(_store.Objects.ContainsKey($"{path.Hash}.narinfo"), "I3",
                $"{Name(path)} is {path.State}, its narinfo is not in the bucket");
        // That of a path whose narinfo is written anew comes with it.
        foreach (var path in state.Paths.Values.Where(p => p is { State: "live" or "condemned", HasListing: true, Recorded: true }))
            Check(_store.Objects.ContainsKey($"{path.Hash}.ls"), "I1", $"{Name(path)} is {path.State}, its listing is not in the bucket");
        foreach (var item in state.Objects.Values.Where(o => o.State is "live" or "condemned" || o is { Kind: "nar", State: "stored" }))
            Check(_store.Objects.ContainsKey(item.Key), "I3", $"{item.Key} is {item.State} and not in the bucket");
    }

    // I14: nothing that is live at g is barred, or refers to what is. Once an eviction has ended, nothing has its bad NARs.
    private void BarsHold()
    {
        foreach (var path in state.Paths.Values.Where(p => p.State == "live" && p.Touched == state.Epoch))
            Check(!path.Barred && !path.References.Any(r => state.Paths[r].Barred), "I14",
                $"{Name(path)} is live at g and barred, or refers to what is");
        foreach (var nar in state.Evictions.Where(e => e.IsFinished).SelectMany(e => e.Objects))
            Check(!state.Paths.Values.Any(p => p.State is "live" or "condemned" && p.Objects.Contains(nar)), "I14",
                "a path has a NAR that was taken back");
    }

    // I10 under a policy that has all of it read first.
    private void SignedIsRead(NarInfo info, byte[] file)
    {
        Check(Bodies.Is(file, info.Url, info.NarHash) && info.FileSize == file.Length && (info.FileHash is null
            || info.FileHash == Sha256Hash.Compute(file)), "I10",
            $"the narinfo of {info.StorePath.Name} is signed, and leads to other bytes");
        var nar = Bodies.NarOf(file, info.Url);
        Check(nar.Length == info.NarSize, "I10", $"the narinfo of {info.StorePath.Name} says a wrong size");
        foreach (var reference in info.References)
            Check(Bodies.Mentions(nar, reference.Hash), "I10",
                $"the narinfo of {info.StorePath.Name} refers to {reference.Name}, which its NAR does not mention");
    }

    // What was read is what is said of it: a NAR that is verified, its proof, and one that is refused.
    private void ReadingsAreTrue()
    {
        if (schedule.Policy == VerifyPolicy.Off)
            return;
        var evicted = state.Evictions.Where(e => !e.IsOfVerifier).SelectMany(e => e.Objects).ToHashSet();
        foreach (var item in state.Objects.Values.Where(o => o is
        {
            Kind: "nar", NarHash: not null,
            State: "stored" or "live" or "condemned" or "deleting"
        }))
        {
            if (!_store.Objects.TryGetValue(item.Key, out var file))
                continue;
            var isTrue = Bodies.Is(file, item.Key, item.NarHash!.Value) && Bodies.NarOf(file, item.Key).Length == item.NarSize;
            Check(!item.Verified || isTrue, "I10", $"{item.Key} is verified, and is not the declared NAR");
            Check(!item.Verified || !item.Refused, "I14", $"{item.Key} is taken back, and verified");
            Check(!item.IsToldOf || item.Refused || item.State == "deleting", "I10", $"{item.Key} was refused, and is usable");
            Check(!item.Refused || !isTrue || evicted.Contains(item.Id), "I13", $"{item.Key} is refused, and is the declared NAR");
        }

        foreach (var proof in state.Proofs)
        {
            if (!state.Objects.TryGetValue(proof.Object, out var item))
            {
                Check(false, "I10", $"a proof is of object {proof.Object}, which is not there");
                continue;
            }

            // Those that are just being deleted go with the record of it.
            Check(item.State is "stored" or "live" or "condemned" or "deleting" or "tombstone" && (item.Verified || item.Refused), "I10",
                $"a proof is of {item.Key}, which is {item.State}{(item.Verified ? "" : ", and not verified")}");
            if (!item.Verified || !_store.Objects.TryGetValue(item.Key, out var file))
                continue;
            var nar = Bodies.NarOf(file, item.Key);
            Check(proof.Occurring.All(h => Bodies.Mentions(nar, h)) && !proof.Absent.Any(h => Bodies.Mentions(nar, h)), "I10",
                $"the proof of {item.Key} says what its NAR denies");
        }
    }

    // I4
    private void BucketHasRows()
    {
        foreach (var key in _store.Objects.Keys)
        {
            if (key.EndsWith(".narinfo", StringComparison.Ordinal) || key.EndsWith(".ls", StringComparison.Ordinal))
                Check(Row(key) is { State: not "gone" }, "I4", $"{key} is in the bucket, its row is {Row(key)?.State ?? "not there"}");
            else if (key.StartsWith("pins/", StringComparison.Ordinal))
                Check(state.Pins.Any(p => key == $"pins/{p.Name}"), "I7", $"{key} is in the bucket, and there is no such pin");
            else
                Check(_byKey.GetValueOrDefault(key) is { State: not "gone" }, "I4",
                    $"{key} is in the bucket, its row is {_byKey.GetValueOrDefault(key)?.State ?? "not there"}");
        }
    }

    private PathRow? Row(string key) => _byHash.GetValueOrDefault(StorePathHash.Parse(key.Split('.')[0]));

    private string Name(long path) => state.Paths.TryGetValue(path, out var row) ? Name(row) : $"path {path}";

    private string Name(PathRow path) => schedule.Universe.NameOf(path.Hash);

    private void Check(bool holds, string invariant, string message) => schedule.Check(holds, invariant, message);
}
