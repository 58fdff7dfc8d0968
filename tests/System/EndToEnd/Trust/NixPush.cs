using System.Net;
using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// A copy as stock Nix makes it: 1. which narinfos are there? 2. of the others the listing, the NAR, and then, references first, the
/// narinfo; 3. logs and realisations.
/// </summary>
internal sealed class NixPush : IPush
{
    public const string Write = "/c/default";

    private readonly Publisher _publisher;
    private readonly List<TrustPath> _missing;

    private NixPush(Publisher publisher, List<TrustPath> missing) => (_publisher, _missing) = (publisher, missing);

    public string Id => "";

    public static async Task<NixPush> AskAsync(Publisher publisher, TrustPath root)
    {
        var missing = new List<TrustPath>();
        foreach (var path in root.Closure())
        {
            if (!await IsThereAsync(publisher, HttpMethod.Get, path.NarInfoKey))
                missing.Add(path);
        }

        return new NixPush(publisher, missing);
    }

    public async Task UploadAsync()
    {
        foreach (var path in _missing)
        {
            if (!await IsThereAsync(_publisher, HttpMethod.Head, NarKey(path)))
                (await PutNarAsync(_publisher, path)).OrThrow();
            (await PutAsync(_publisher, path.ListingKey, path.Listing)).OrThrow();
        }
    }

    public async Task CommitAsync()
    {
        foreach (var path in _missing)
        {
            (await PutAsync(_publisher, path.NarInfoKey, NarInfo(path))).OrThrow();
            if (path.Log is not null)
                (await PutAsync(_publisher, $"log/{path.LogDrv!.Value.BaseName}", path.Log)).OrThrow();
            if (path.Realisation is not null)
                (await PutAsync(_publisher, $"realisations/{path.Realisation}.doi", path.RealisationText)).OrThrow();
        }
    }

    public static string NarKey(TrustPath path) => $"nar/{path.FileHash.ToNix32()}.nar.zst";

    public static Task<Answer> PutNarAsync(Publisher who, TrustPath path) =>
        who.SendAsync(HttpMethod.Put, $"{Write}/{NarKey(path)}", Publisher.Bytes(path.File, "application/x-nix-nar"), asBasic: true);

    public static Task<Answer> PutAsync(Publisher who, string key, string text) =>
        who.SendAsync(HttpMethod.Put, $"{Write}/{key}", Publisher.Bytes(Encoding.UTF8.GetBytes(text), "text/plain"), asBasic: true);

    public static string NarInfo(TrustPath path) => new NarInfo
    {
        StorePath = path.Path,
        Url = NarKey(path),
        Compression = "zstd",
        FileHash = path.FileHash,
        FileSize = path.File.Length,
        NarHash = path.NarHash,
        NarSize = path.NarSize,
        References = [.. path.References.Select(r => r.Path)],
        Deriver = path.Deriver,
        Signatures = path.Signatures,
        Ca = ContentAddress.TryParse(path.Ca, out var ca) ? ca : null,
    }.Print() + (path.Ca is null || ContentAddress.TryParse(path.Ca, out _) ? "" : $"CA: {path.Ca}\n");

    private static async Task<bool> IsThereAsync(Publisher who, HttpMethod method, string key)
    {
        var answer = await who.SendAsync(method, $"{Write}/{key}", asBasic: true);
        return answer.Status == HttpStatusCode.OK
            || (answer.Status == HttpStatusCode.NotFound ? false : throw new RefusedException(answer));
    }
}
