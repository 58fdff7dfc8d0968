using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store;

/// <summary>
/// Upload URLs that point to the gateway: <c>{base}/upload/{key}?expires=&amp;max=&amp;sig=</c> for a whole object and
/// <c>{base}/upload/{key}?upload=&amp;part=&amp;size=&amp;expires=&amp;sig=</c> for a part; <c>expires</c> in Unix seconds, sizes in bytes,
/// <c>sig</c> an HMAC-SHA256 in base64url over everything else and the store's scope.
/// </summary>
internal sealed class UploadUrls(Uri baseUrl, byte[] secret, string scope)
{
    private readonly string _base = baseUrl.AbsoluteUri.TrimEnd('/') + "/upload/";

    public Uri Sign(SignedUpload signed)
    {
        var url = new StringBuilder(_base).Append(UriText.Path(signed.Key)).Append('?');
        if (signed.Part is { } part)
            url.Append(CultureInfo.InvariantCulture, $"upload={part.UploadId}&part={part.Number}&size={part.PartSize}&");
        else if (signed.MaxSize is { } max)
            url.Append(CultureInfo.InvariantCulture, $"max={max}&");
        url.Append(CultureInfo.InvariantCulture,
            $"expires={signed.Expires.ToUnixTimeSeconds()}&sig={Base64Url.EncodeToString(Signature(signed))}");
        return new Uri(url.ToString());
    }

    /// <summary>Verifies a URL exactly as it was signed.</summary>
    public SignedUpload? TryVerify(string url, DateTimeOffset now)
    {
        var mark = url.IndexOf('?', StringComparison.Ordinal);
        if (mark < 0 || !url.StartsWith(_base, StringComparison.Ordinal))
            return null;
        var query = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in url[(mark + 1)..].Split('&'))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || !query.TryAdd(pair[..equals], pair[(equals + 1)..]))
                return null;
        }

        return TryVerify(Uri.UnescapeDataString(url[_base.Length..mark]), query.GetValueOrDefault, now);
    }

    public SignedUpload? TryVerify(string? keyPath, Func<string, string?> query, DateTimeOffset now)
    {
        if (!ObjectKey.TryParse(keyPath, out var key) || Number(query("expires")) is not { } expires
            || expires > DateTimeOffset.MaxValue.ToUnixTimeSeconds())
            return null;
        UploadPart? part = null;
        if (query("upload") is { } upload)
        {
            if (Number(query("part")) is not { } number || number is < 1 or > int.MaxValue || Number(query("size")) is not { } size)
                return null;
            part = new UploadPart(upload, (int)number, size);
        }

        long? max = null;
        if (query("max") is { } text)
        {
            if (part is not null || Number(text) is not { } bytes)
                return null;
            max = bytes;
        }

        var signed = new SignedUpload(key, max, part, DateTimeOffset.FromUnixTimeSeconds(expires));
        Span<byte> sent = stackalloc byte[HMACSHA256.HashSizeInBytes];
        if (query("sig") is not { Length: 43 } signature
            || Base64Url.DecodeFromChars(signature, sent, out _, out var length) != OperationStatus.Done || length != sent.Length
            || !CryptographicOperations.FixedTimeEquals(sent, Signature(signed)))
            return null;
        return now < signed.Expires ? signed : null;
    }

    private byte[] Signature(SignedUpload signed)
    {
        var text = string.Create(CultureInfo.InvariantCulture,
            $"{scope}\n{signed.Key}\n{signed.Expires.ToUnixTimeSeconds()}\n{signed.MaxSize}\n{signed.Part?.UploadId}\n{signed.Part?.Number}\n{signed.Part?.PartSize}");
        return HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(text));
    }

    // Only the canonical form is accepted, so that one signed URL has one spelling.
    private static long? Number(string? text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            && value.ToString(CultureInfo.InvariantCulture) == text ? value : null;
}

/// <summary>What a verified upload URL allows.</summary>
/// <param name="MaxSize">The largest body of a whole object, in bytes; null: any.</param>
/// <param name="Part">The part it is for; null: the whole object.</param>
public sealed record SignedUpload(ObjectKey Key, long? MaxSize, UploadPart? Part, DateTimeOffset Expires);

/// <param name="Number">From 1.</param>
/// <param name="PartSize">The size of all parts but the last, in bytes.</param>
public sealed record UploadPart(string UploadId, int Number, long PartSize);

public enum UploadStatus
{
    /// <summary>200: whole and synced.</summary>
    Stored,

    /// <summary>412: the object is there already.</summary>
    Exists,

    /// <summary>404: this multipart upload was completed or aborted.</summary>
    Gone,

    /// <summary>409: a newer request uploads the same part.</summary>
    Superseded,

    /// <summary>400: the body is shorter or longer than declared.</summary>
    WrongLength,

    /// <summary>413: the declared length is more than the URL allows.</summary>
    TooLarge,
}
