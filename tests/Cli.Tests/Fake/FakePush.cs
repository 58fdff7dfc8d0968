using System.Collections.Concurrent;
using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Tests.Fake;

internal sealed class FakePush(string id, BeginPush begin)
{
    public string Id { get; } = id;

    public BeginPush Begin { get; } = begin;

    public Dictionary<StorePathHash, PathDeclaration> Paths { get; } = begin.Paths.ToDictionary(path => path.Path.Hash);

    public Dictionary<string, FakeUpload> Uploads { get; } = [];
}

internal sealed class FakeUpload(string id, PathDeclaration declared, long? partSize)
{
    public string Id { get; } = id;

    public PathDeclaration Declared { get; } = declared;

    public long? PartSize { get; } = partSize;

    /// <summary>By part number; 0 is the body of a single PUT.</summary>
    public ConcurrentDictionary<int, byte[]> Bodies { get; } = [];

    public byte[]? Nar { get; private set; }

    /// <summary>What is wrong with what has arrived; null when it is a valid NAR that fits the declaration and the report.</summary>
    public async Task<string?> ProblemAsync(UploadedNar report, bool wantsMd5, bool hashes)
    {
        byte[][] bodies = [.. Bodies.OrderBy(body => body.Key).Select(body => body.Value)];
        byte[] file = [.. bodies.SelectMany(body => body)];
        if (bodies.Length == 0)
            return "not-found";
        if (PartSize is { } size && bodies.SkipLast(1).Any(body => body.Length != size))
            return "a part has another size";
        if (file.Length != report.FileSize)
            return "size-mismatch";
        if ((hashes ? null : Sha256Hash.Compute(file)) != report.FileHash
            || !report.Md5.SequenceEqual(wantsMd5 ? bodies.Select(body => Convert.ToHexStringLower(MD5.HashData(body))) : []))
            return "hash-mismatch";
        // There are readers that take the end of the first frame for the end of the file.
        if (!IsOneFrame(file))
            return "more than one frame";
        Nar = Zstd.Decompress(file, 1 << 30);
        if (Nar.Length != Declared.NarSize || Sha256Hash.Compute(Nar) != Declared.NarHash)
            return "hash-mismatch";
        _ = await NarListing.FromNarAsync(new MemoryStream(Nar)); // throws unless it is a NAR
        return null;
    }

    private static bool IsOneFrame(ReadOnlySpan<byte> file)
    {
        using var frame = ZstdDecompressor.Rent();
        var piece = new byte[1 << 20];
        do
        {
            frame.Decompress(file, piece, out var consumed, out _);
            file = file[consumed..];
        }
        while (!frame.IsAtFrameEnd);
        return file.IsEmpty;
    }
}
