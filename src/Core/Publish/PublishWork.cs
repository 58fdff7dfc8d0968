using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>The rest that the bucket lacks: narinfos with their listings, logs and realisations.</summary>
/// <param name="Names">Every referenced path, by id.</param>
/// <param name="Renamed">Those of them whose name may have changed since their referrers were signed.</param>
internal sealed record PublishWork(List<PathToWrite> Paths, List<ObjectToWrite> Objects, Dictionary<long, StorePath> Names,
    HashSet<long> Renamed)
{
    /// <summary>Every path after the paths that it refers to (Kahn's algorithm; a path's reference to itself does not count).</summary>
    public List<PathToWrite> ReferencesFirst()
    {
        var byId = Paths.ToDictionary(p => p.Id);
        var open = new Dictionary<long, int>();
        var referrers = new Dictionary<long, List<long>>();
        foreach (var path in Paths)
        {
            var references = path.References.Where(r => r != path.Id && byId.ContainsKey(r)).Distinct().ToList();
            open[path.Id] = references.Count;
            foreach (var reference in references)
                (referrers.TryGetValue(reference, out var list) ? list : referrers[reference] = []).Add(path.Id);
        }

        var ordered = new List<PathToWrite>(Paths.Count);
        var ready = new Queue<long>(open.Where(o => o.Value == 0).Select(o => o.Key));
        while (ready.TryDequeue(out var id))
        {
            ordered.Add(byId[id]);
            foreach (var referrer in referrers.GetValueOrDefault(id, []))
            {
                if (--open[referrer] == 0)
                    ready.Enqueue(referrer);
            }
        }

        return ordered;
    }
}

/// <param name="Generation">Of the row when this was read; an intent is opened only on that.</param>
/// <param name="Listing">Null: none is to be written.</param>
/// <param name="IsUnsigned">It has no signature by the cache's own keys, and is to get one.</param>
/// <param name="Boundaries">What it refers to beyond <paramref name="References"/>: an upstream has it.</param>
internal sealed record PathToWrite(
    long Id, long Generation, StorePath Path, byte[] NarHash, long NarSize, long[] References, string? Deriver, string? Ca, byte[]? Listing,
    string NarKey, byte[]? FileHash, long FileSize, bool IsUnsigned = false, StorePath[]? Boundaries = null)
{
    /// <summary>The bucket's listing is of a content that the path no longer has.</summary>
    public bool DropsListing => Listing is { Length: 0 };

    /// <summary>Hashes and names, each null when there are none.</summary>
    public static StorePath[] ReadBoundaries(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? [] : [.. r.GetFieldValue<byte[][]>(at)
        .Zip(r.GetFieldValue<string[]>(at + 1), (hash, name) => new StorePath(StorePathHash.FromBytes(hash), name))];

    /// <summary>The path's narinfo: a pure function of the row, so any process may write or check it.</summary>
    public NarInfo ToNarInfo(IReadOnlyList<string> signatures, IReadOnlyDictionary<long, StorePath> names) => new()
    {
        StorePath = Path,
        Url = NarKey,
        Compression = NarCompression.OfFile(NarKey) ?? "none",
        FileHash = FileHash is null ? null : Sha256Hash.FromBytes(FileHash),
        FileSize = FileSize,
        NarHash = Sha256Hash.FromBytes(NarHash),
        NarSize = NarSize,
        References = [.. References.Select(r => names[r]), .. Boundaries ?? []],
        Deriver = StorePath.TryParse(Deriver, out var deriver) ? deriver : null,
        // Rows that are older than the rule of canonical signatures may have others, which no reader could use.
        Signatures = [.. signatures.Where(s => PathSignature.TryParse(s, out _))],
        Ca = ContentAddress.TryParse(Ca, out var ca) ? ca : null,
    };
}

internal sealed record ObjectToWrite(long Id, long Generation, ObjectKey Key, byte[] Content);
