using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A binary cache in a folder, written by a stock Nix and signed with a key of its own: what moves in.</summary>
internal sealed class OldCache : IDisposable
{
    private readonly TempFolder _folder = new("oc-old-");
    private readonly SecretKey _key = SecretKey.Generate("old-1");

    public string Folder => _folder["cache"];

    public string PublicKey => _key.PublicKey.ToString();

    public string KeyFile => _folder["old.pub"];

    public static async Task<OldCache> MakeAsync()
    {
        var cache = new OldCache();
        Directory.CreateDirectory(cache.Folder);
        await File.WriteAllTextAsync(cache._folder["old.sec"], cache._key.Export());
        await File.WriteAllTextAsync(cache.KeyFile, $"{cache.PublicKey}\n");
        return cache;
    }

    /// <summary>Copies a closure out of the machine's store, signed.</summary>
    public async Task CopyAsync(string root, string query = "") => (await NixTool.Installed!.RunAsync("nix", ["copy", "--no-check-sigs",
        "--to", $"file://{Folder}{(query.Length == 0 ? "?" : query + "&")}secret-key={_folder["old.sec"]}", root])).OrThrow();

    public string NarInfoFile(string path) => Path.Combine(Folder, $"{StorePath.Parse(path).Hash}.narinfo");

    public async Task<NarInfo> NarInfoAsync(string path) => NarInfo.Parse(await File.ReadAllTextAsync(NarInfoFile(path)));

    /// <summary>Very many tiny paths that refer to each other as those of a cache do: each to a few before it.</summary>
    public void Generate(int count)
    {
        Directory.CreateDirectory(Path.Combine(Folder, "nar"));
        File.WriteAllText(Path.Combine(Folder, "nix-cache-info"), $"StoreDir: {StorePath.StoreDir}\n");
        var paths = new StorePath[count];
        for (var i = 0; i < count; i++)
            paths[i] = new StorePath(StorePathHash.FromBytes(Sha256Hash.Compute(Encoding.UTF8.GetBytes($"tiny {i}")).ToArray().AsSpan(..20)),
                $"tiny-{i}");
        Parallel.For(0, count, i =>
        {
            var nar = Nar($"tiny {i}");
            var file = Zstd.Compress(nar);
            var info = new NarInfo
            {
                StorePath = paths[i],
                Url = $"nar/{Sha256Hash.Compute(file).ToNix32()}.nar.zst",
                Compression = "zstd",
                FileSize = file.Length,
                NarHash = Sha256Hash.Compute(nar),
                NarSize = nar.Length,
                References = i % 100 == 0 ? [] : [paths[i - 1], paths[i - (i % 100)], paths[i - (i % 10)]],
            };
            info = info with { References = [.. info.References.Where(reference => reference != info.StorePath)] };
            File.WriteAllBytes(Path.Combine(Folder, info.Url), file);
            File.WriteAllText(Path.Combine(Folder, $"{info.StorePath.Hash}.narinfo"),
                (info with { Signatures = [_key.Sign(info.Fingerprint())] }).Print());
        });
    }

    public void Dispose() => _folder.Dispose();

    private static byte[] Nar(string text)
    {
        using var nar = new MemoryStream();
        foreach (var word in (string[])["nix-archive-1", "(", "type", "regular", "contents", text, ")"])
        {
            var bytes = Encoding.UTF8.GetBytes(word);
            nar.Write(BitConverter.GetBytes((long)bytes.Length));
            nar.Write(bytes);
            nar.Write(new byte[(8 - (bytes.Length % 8)) % 8]);
        }

        return nar.ToArray();
    }
}
