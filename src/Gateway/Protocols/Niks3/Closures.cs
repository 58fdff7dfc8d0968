using OrleansCache.Contracts;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>Translates a pending closure between the keys of niks3's clients and the paths of the core.</summary>
internal static class Closures
{
    private const string ZstdCompression = "zstd";

    /// <exception cref="CacheProblemException">No niks3 client sends such a request.</exception>
    public static Niks3Push Read(CreateRequest request)
    {
        if ((request.Closure is { } closure ? [closure] : request.Roots) is not { Count: > 0 } keys)
            throw Bad("missing closure key, or roots");
        var roots = keys.ConvertAll(key => Keys.TryNarInfo(key, out var root) ? root
            : throw Bad($"a closure's key must be hash.narinfo: {key}"));
        if (request.Objects is not { Count: > 0 } objects)
            throw Bad("missing objects key");

        // 1. The objects by type.
        var narSizes = new Dictionary<Sha256Hash, long>();
        var narInfos = new List<(StorePathHash Path, List<string> References)>();
        var logs = new Dictionary<string, ObjectKey>();
        var realisations = new Dictionary<string, ObjectKey>();
        foreach (var item in objects)
        {
            switch (item.Type)
            {
                case "narinfo" when Keys.TryNarInfo(item.Key, out var path): narInfos.Add((path, item.Refs ?? [])); break;
                case "nar" when Keys.TryNar(item.Key, out var nar):
                    if (narSizes.TryGetValue(nar, out var other) && other != NarSize(item))
                        throw Bad($"{item.Key} has the size {NarSize(item)} and the size {other}");
                    narSizes[nar] = NarSize(item);
                    break;
                case "listing" when Keys.TryListing(item.Key, out _): break;
                case "build_log" when Keys.TryLog(item.Key, out var log): logs[item.Key!] = log; break;
                case "realisation" when Keys.TryRealisation(item.Key, out var realisation): realisations[item.Key!] = realisation; break;
                default: throw Bad($"invalid object key \"{item.Key}\" for type \"{item.Type}\"");
            }
        }

        // 2. The paths: a narinfo's references name its NAR and its realisations; newer clients' also its log.
        var paths = new List<Niks3Path>(narInfos.Count);
        var owned = new List<Niks3Object>();
        foreach (var (path, references) in narInfos)
        {
            var others = new List<StorePathHash>();
            Sha256Hash? nar = null;
            foreach (var reference in references)
            {
                if (Keys.TryNarInfo(reference, out var other))
                    others.Add(other);
                else if (Keys.TryNar(reference, out var itsNar))
                    nar = nar is null || nar == itsNar ? itsNar : throw Bad($"{path}.narinfo refers to two NARs");
                else if (realisations.TryGetValue(reference, out var realisation))
                    owned.Add(new Niks3Object(realisation, IsLog: false, path));
                else if (logs.TryGetValue(reference, out var log))
                    owned.Add(new Niks3Object(log, IsLog: true, path));
            }

            if (nar is not { } hash || !narSizes.TryGetValue(hash, out var size))
                throw Bad($"{path}.narinfo refers to no NAR that is among the objects");
            paths.Add(new Niks3Path(path, hash, size, others));
        }

        // 3. A log that nothing refers to the first root keeps until its path is known.
        return new Niks3Push
        {
            Roots = roots,
            Paths = paths,
            Objects = [.. owned, .. logs.Values.Except(owned.Select(o => o.Key)).Select(l => new Niks3Object(l, IsLog: true, roots[0]))],
            Verify = request.VerifyS3,
            // Clients that push many roots at once also send small NARs by one PUT; of the others nobody knows.
            SinglePuts = request.Closure is null,
        };
    }

    /// <param name="request">The client's request.</param>
    /// <param name="opened">The push that it opened.</param>
    /// <param name="urlOf">The URL for a PUT to this server, by key and, of a NAR, by its upload.</param>
    /// <param name="now">The time.</param>
    public static CreateAnswer Answer(CreateRequest request, Niks3Opened opened, Func<string, Niks3Upload?, string> urlOf,
        DateTimeOffset now)
    {
        var uploads = opened.Uploads.ToDictionary(u => u.NarHash);
        var pending = new Dictionary<string, PendingObject>();
        foreach (var item in request.Objects!)
        {
            var key = item.Key!;
            var upload = item.Type == "nar" && Keys.TryNar(key, out var nar) ? uploads.GetValueOrDefault(nar) : null;
            var isPending = item.Type switch
            {
                "nar" => upload is not null,
                "narinfo" => Keys.TryNarInfo(key, out var path) && opened.Missing.Contains(path),
                "listing" => Keys.TryListing(key, out var path) && opened.Missing.Contains(path),
                _ => opened.MissingObjects.Contains(ObjectKey.Parse(key)),
            };
            if (isPending)
                pending[key] = upload is { Parts.Count: > 0 }
                    ? new PendingObject(item.Type!, null, new MultipartInfo(upload.Id, upload.Parts.Select(p => p.AbsoluteUri)))
                    : new PendingObject(item.Type!, urlOf(key, upload), null);
        }

        return new CreateAnswer(opened.Id.ToString(), Time(now), pending);
    }

    /// <exception cref="CacheProblemException">The content does not fit the key, or is malformed.</exception>
    public static Niks3Declaration Read(string key, NarInfoContent? content)
    {
        if (content is null || !Keys.TryNarInfo(key, out var hash) || !StorePath.TryParse(content.StorePath, out var path)
            || path.Hash != hash)
            throw Bad($"{key} does not fit the store path '{content?.StorePath}'");
        if (!Sha256Hash.TryParse(content.NarHash, out var nar))
            throw Bad($"{key}: '{content.NarHash}' is not a NAR hash: sha256:<nix32> is wanted");
        if (content.Compression != ZstdCompression)
            throw Bad($"{key}: the compression is '{content.Compression}'; only zstd is taken here");
        var references = (content.References ?? []).ConvertAll(r => StorePath.TryParse(r, out var reference) ? reference
            : throw Bad($"{key}: the reference '{r}' is not a store path"));
        return new Niks3Declaration(
            new PathDeclaration
            {
                Path = path,
                NarHash = nar,
                NarSize = content.NarSize is > 0 and <= NarInfo.MaxNarSize ? (long)content.NarSize
                    : throw Bad($"{key}: the NAR size is {content.NarSize}"),
                References = references.ConvertAll(r => r.Hash),
                Deriver = content.Deriver is not { Length: > 0 } text || text == "unknown-deriver" ? null
                    : StorePath.TryParse(text, out var deriver) ? deriver : throw Bad($"{key}: the deriver '{text}' is not a store path"),
                Ca = string.IsNullOrEmpty(content.Ca) ? null : ContentAddress.TryParse(content.Ca, out var ca) ? ca
                    : throw Bad($"{key}: '{content.Ca}' is not a content address: {ContentAddress.Rule}"),
                Signatures = content.Signatures ?? [],
            },
            [.. references.Distinct().Order()]);
    }

    private static long NarSize(RequestedObject item) => item.NarSize is > 0 and <= NarInfo.MaxNarSize and var size ? (long)size
        : throw Bad($"{item.Key}: its nar_size is missing, zero or more than {NarInfo.MaxNarSize}");
}
