using System.Security.Cryptography;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Protocols.NixCopy;

/// <summary>A store path as stock Nix puts it: its NAR's file and its narinfo.</summary>
internal sealed record NixFile(StorePath Path, byte[] Body, NarInfo Info)
{
    public string NarUrl => Info.Url;

    public string InfoUrl => $"{Path.Hash}.narinfo";

    /// <param name="name">Its NAR (any bytes: only hashes are looked at) is made of it.</param>
    /// <param name="compression"><c>xz</c>, <c>bzip2</c>, <c>zstd</c> or <c>none</c>, by the programs of those names.</param>
    public static async Task<NixFile> MakeAsync(string name, string compression = "xz", int size = 3000, params NixFile[] references)
    {
        var nar = new byte[size];
        new Random(name.Length + size).NextBytes(nar);
        Encoding.UTF8.GetBytes(name).CopyTo(nar, 0);
        return await MakeAsync(name, nar, compression, references);
    }

    public static async Task<NixFile> MakeAsync(string name, byte[] nar, string compression, params NixFile[] references)
    {
        var (body, ending) = compression switch
        {
            "xz" => (await CompressAsync("xz", nar), ".nar.xz"),
            "bzip2" => (await CompressAsync("bzip2", nar), ".nar.bz2"),
            "zstd" => (Zstd.Compress(nar), ".nar.zst"),
            _ => (nar, ".nar"),
        };
        var path = new StorePath(StorePathHash.FromBytes(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 20)), name);
        return new NixFile(path, body, new NarInfo
        {
            StorePath = path,
            Url = $"nar/{Sha256Hash.Compute(body).ToNix32()}{ending}",
            Compression = compression,
            FileHash = Sha256Hash.Compute(body),
            FileSize = body.Length,
            NarHash = Sha256Hash.Compute(nar),
            NarSize = nar.Length,
            References = [.. references.Select(r => r.Path)],
        });
    }

    public static async Task<byte[]> CompressAsync(string program, byte[] content)
    {
        using var folder = new TempFolder();
        await File.WriteAllBytesAsync(folder["file"], content);
        (await ProcessRunner.RunAsync("sh", ["-c", $"exec {program} -c <{folder["file"]} >{folder["out"]}"])).OrThrow();
        return await File.ReadAllBytesAsync(folder["out"]);
    }
}
