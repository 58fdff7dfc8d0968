using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The id of a grant as clients see it. It contains all that a report needs to check the store, so a report costs one statement, and a
/// seal, so that the server reads and hashes only what this push was granted. The catalog's row tells the present state of the grant: id,
/// key, NAR hash and claimant must be the row's.
/// </summary>
internal readonly record struct UploadGrantId(long Object, ObjectKey Key, Sha256Hash NarHash, long NarSize, string? Multipart)
{
    // A store's id of a multipart upload, which is printable; S3's have some 100 characters.
    private const int MaxMultipart = 1024;
    private const int SealLength = 16;

    /// <param name="text">As <see cref="ToText"/> made it.</param>
    /// <param name="push">Of which it must be a grant.</param>
    /// <param name="secret">The cache's: see <see cref="CacheDirectory.SecretOf"/>.</param>
    /// <param name="grantId">The grant.</param>
    public static bool TryParse(string? text, PushId push, byte[] secret, out UploadGrantId grantId)
    {
        grantId = default;
        var end = text?.LastIndexOf('~') ?? -1;
        var sent = new byte[SealLength];
        if (end < 0 || text!.Length - end - 1 != SealLength * 2 || Convert.FromHexString(text.AsSpan(end + 1), sent, out _,
            out _) != OperationStatus.Done
            || !CryptographicOperations.FixedTimeEquals(sent, Seal(text[..end], push, secret)))
            return false;
        var parts = text[..end].Split('~');
        if (parts.Length != 5
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !ObjectKey.TryParse($"nar/{parts[1]}", out var key)
            || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var size)
                || size is <= 0 or > NarInfo.MaxNarSize
            || !Sha256Hash.TryParse("sha256:" + parts[3], out var narHash))
            return false;
        Span<byte> multipart = stackalloc byte[MaxMultipart];
        if (parts[4].Length > MaxMultipart * 2 || Convert.FromHexString(parts[4], multipart, out _, out var length) != OperationStatus.Done
            || multipart[..length].ContainsAnyExceptInRange((byte)'!', (byte)'~'))
            return false;
        grantId = new UploadGrantId(id, key, narHash, size, length == 0 ? null : Encoding.ASCII.GetString(multipart[..length]));
        return true;
    }

    public string ToText(PushId push, byte[] secret)
    {
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"{Object}~{Key.ToString()["nar/".Length..]}~{NarSize}~{NarHash.ToNix32()}~{(Multipart is null ? "" : Convert.ToHexStringLower(Encoding.UTF8.GetBytes(Multipart)))}");
        return $"{text}~{Convert.ToHexStringLower(Seal(text, push, secret))}";
    }

    private static ReadOnlySpan<byte> Seal(string text, PushId push, byte[] secret) =>
        HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes($"{push} {text}")).AsSpan(0, SealLength);
}
