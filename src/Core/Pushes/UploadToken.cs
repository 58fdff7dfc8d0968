using System.Buffers;
using System.Globalization;
using System.Text;
using OrleansCache.Core.Objects;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The id of a grant as clients see it: everything a report needs to check the store, so that a report costs one statement.
/// What it says is believed only as far as the catalog's row agrees: id, key, NAR hash and claimant must be the row's.
/// </summary>
internal readonly record struct UploadToken(long Object, ObjectKey Key, Sha256Hash NarHash, long NarSize, string? Multipart)
{
    // A store's id of a multipart upload, which is printable; S3's have some 100 characters.
    private const int MaxMultipart = 1024;

    public static bool TryParse(string? text, out UploadToken token)
    {
        token = default;
        var parts = text?.Split('~');
        if (parts is not { Length: 5 }
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            || !ObjectKey.TryParse($"nar/{parts[1]}", out var key)
            || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var size) || size is <= 0 or > NarInfo.MaxNarSize
            || !Sha256Hash.TryParse("sha256:" + parts[3], out var narHash))
            return false;
        Span<byte> multipart = stackalloc byte[MaxMultipart];
        if (parts[4].Length > MaxMultipart * 2 || Convert.FromHexString(parts[4], multipart, out _, out var length) != OperationStatus.Done || multipart[..length].ContainsAnyExceptInRange((byte)'!', (byte)'~'))
            return false;
        token = new UploadToken(id, key, narHash, size, length == 0 ? null : Encoding.ASCII.GetString(multipart[..length]));
        return true;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Object}~{Key.ToString()["nar/".Length..]}~{NarSize}~{NarHash.ToNix32()}~{(Multipart is null ? "" : Convert.ToHexStringLower(Encoding.UTF8.GetBytes(Multipart)))}");
}
