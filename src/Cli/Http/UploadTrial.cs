using System.Buffers.Binary;
using System.Security.Cryptography;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Http;

/// <summary>
/// Uploads a NAR of a few bytes as a push does. Only a push gets upload URLs, so it begins one with a path that nobody has, and ends it at
/// once.
/// </summary>
internal static class UploadTrial
{
    /// <returns>The root of the store that took the NAR; null when the server grants no upload at the moment.</returns>
    /// <exception cref="CliException">The store refuses, or cannot be reached.</exception>
    public static async Task<Uri?> RunAsync(Api api, UploadClient uploads, CancellationToken cancellationToken)
    {
        var nar = Nar(RandomNumberGenerator.GetBytes(16));
        var path = StorePath.Parse($"{StorePathHash.FromBytes(RandomNumberGenerator.GetBytes(20))}-orleans-cache-doctor");
        var opened = await api.BeginAsync(
            new BeginPush
            {
                Roots = [path.Hash],
                Paths = [new PathDeclaration { Path = path, NarHash = Sha256Hash.Compute(nar),
                NarSize = nar.Length, References = [] }],
                Logs = [],
                Realisations = []
            },
            Guid.NewGuid().ToString("N"), cancellationToken);
        try
        {
            if (opened.Uploads is not [{ } grant] || (grant.Url ?? (grant.Parts is [var first, ..] ? first : null)) is not { } url)
                return null;
            var file = Zstd.Compress(nar);
            using var body = new SegmentedBuffer(new SegmentPool()) { Md5 = grant.Md5 ? MD5.HashData(file) : null };
            file.CopyTo(body.Free());
            body.Advance(file.Length);
            await uploads.PutAsync("a NAR of a few bytes", (_, _) => ValueTask.FromResult(url), grant.Headers, body, cancellationToken);
            return new Uri(url.GetLeftPart(UriPartial.Authority));
        }
        finally
        {
            await api.AbortAsync(opened.Id, CancellationToken.None);
        }
    }

    /// <summary>A NAR of a regular file.</summary>
    private static byte[] Nar(byte[] content)
    {
        using var nar = new MemoryStream();
        Span<byte> length = stackalloc byte[sizeof(long)];
        foreach (var token in (byte[][])["nix-archive-1"u8.ToArray(), "("u8.ToArray(), "type"u8.ToArray(), "regular"u8.ToArray(),
            "contents"u8.ToArray(), content, ")"u8.ToArray()])
        {
            BinaryPrimitives.WriteInt64LittleEndian(length, token.Length);
            nar.Write(length);
            nar.Write(token);
            nar.Write(new byte[-token.Length & 7]);
        }

        return nar.ToArray();
    }
}
