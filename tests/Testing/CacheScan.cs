using System.Text;
using OrleansCache.Nix;

namespace OrleansCache.Testing;

/// <summary>Reads a cache as its readers find it, and tells what is wrong with it.</summary>
public static class CacheScan
{
    /// <summary>Every narinfo that is there, parsed.</summary>
    /// <exception cref="FormatException">One is not a narinfo.</exception>
    public static async Task<IReadOnlyList<NarInfo>> NarInfosAsync(IObjects objects)
    {
        var infos = new List<NarInfo>();
        foreach (var key in (await objects.KeysAsync()).Where(key => key.EndsWith(".narinfo", StringComparison.Ordinal)))
        {
            if (await objects.ReadAsync(key) is { } bytes)
                infos.Add(NarInfo.Parse(Encoding.UTF8.GetString(bytes)));
        }

        return infos;
    }

    /// <summary>
    /// What breaks the rule "no narinfo is visible without its closure": a NAR that is missing or of another size, a reference without
    /// narinfo. Empty when all is well. May run while paths are being published: what a narinfo needs must be there before it, and stays.
    /// </summary>
    public static async Task<IReadOnlyList<string>> FindHolesAsync(IObjects objects)
    {
        var holes = new List<string>();
        var infos = await NarInfosAsync(objects);
        var visible = infos.Select(info => info.StorePath.Hash).ToHashSet();
        foreach (var info in infos)
        {
            if (await objects.SizeAsync(info.Url) is var size && size != info.FileSize)
                holes.Add($"{info.StorePath}: {info.Url} has {(size is null ? "no" : $"{size}")} bytes instead of {info.FileSize}");
            foreach (var reference in info.References)
            {
                if (!visible.Contains(reference.Hash) && await objects.SizeAsync($"{reference.Hash}.narinfo") is null)
                    holes.Add($"{info.StorePath}: its reference {reference} is not there");
            }
        }

        return holes;
    }

    /// <summary>
    /// Reads every NAR: its compressed bytes against FileHash and FileSize, its content against NarHash and NarSize, the signature against
    /// the key. Empty when all is well.
    /// </summary>
    public static async Task<IReadOnlyList<string>> FindWrongBytesAsync(IObjects objects, string publicKey)
    {
        var wrong = new List<string>();
        var key = PublicKey.Parse(publicKey);
        foreach (var info in await NarInfosAsync(objects))
        {
            var file = await objects.ReadAsync(info.Url) ?? [];
            // Who does not tell the file's hash (niks3) has a narinfo without one.
            if (file.Length != info.FileSize || (info.FileHash is { } hash && Sha256Hash.Compute(file) != hash))
                wrong.Add($"{info.StorePath}: {info.Url} is not what FileHash and FileSize say");
            using var content = new HashingStream();
            await using (var nar = NarCompression.Decompress(info.Compression, new MemoryStream(file))
                ?? throw new FormatException($"{info.StorePath}: compressed with {info.Compression}"))
                await nar.CopyToAsync(content);
            if (content.Count != info.NarSize || content.CurrentHash() != info.NarHash)
                wrong.Add($"{info.StorePath}: the content of {info.Url} is not what NarHash and NarSize say");
            if (!info.Verify(key))
                wrong.Add($"{info.StorePath}: not signed by {publicKey}");
        }

        return wrong;
    }
}
