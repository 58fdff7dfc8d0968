using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// AWS Signature Version 4 in the query (<c>X-Amz-Signature</c>), as "Authenticating Requests: Using Query Parameters" of the S3 API
/// reference describes it. The SDK's presigner cannot sign a multi-object delete, and takes no signing time from its caller, on which
/// fences depend.
/// </summary>
internal sealed class S3Presigner(Uri bucket, string keyPrefix, string region, AWSCredentials credentials)
{
    private const string Service = "s3";
    private static readonly TimeSpan MaxLife = TimeSpan.FromDays(7);

    private readonly string _host = bucket.IsDefaultPort ? bucket.Host : $"{bucket.Host}:{bucket.Port}";
    private SigningKey? _key; // The last one derived; races only derive it twice.

    /// <summary>
    /// A URL that is valid from now for <paramref name="life"/> (at most 7 days, and no longer than session credentials); and when it ends.
    /// </summary>
    public (Uri Url, DateTimeOffset Expires) ForLife(
        string method, ObjectKey key, IEnumerable<(string, string)> query, IReadOnlyDictionary<string, string> headers, DateTimeOffset now,
        TimeSpan life)
    {
        var signed = Truncate(now);
        var seconds = (long)(life < MaxLife ? life : MaxLife).TotalSeconds;
        var expires = signed.AddSeconds(seconds);
        var url = Sign(method, UriText.Path(keyPrefix + key), query, headers, signed, seconds);
        return (url, credentials.Expiration is { } end && end < expires ? end : expires);
    }

    /// <summary>
    /// A URL that expires at <paramref name="fence"/> exactly (whole seconds, rounded down), whatever our clock says: the signing time is
    /// the fence minus the duration. That time lies so far back that the store sees it in the past even when our clock is wrong.
    /// </summary>
    /// <param name="method">The HTTP method.</param>
    /// <param name="key">Null: the bucket itself.</param>
    /// <param name="query">Query parameters, unescaped.</param>
    /// <param name="headers">All headers that are sent, names in lower case.</param>
    /// <param name="fence">When the URL expires.</param>
    /// <param name="now">Our clock, which only decides how far back the signing time lies.</param>
    public Uri UntilFence(
        string method, ObjectKey? key, IEnumerable<(string, string)> query, IReadOnlyDictionary<string, string> headers,
        DateTimeOffset fence, DateTimeOffset now)
    {
        var end = Truncate(fence);
        var seconds = Math.Clamp((long)Math.Ceiling((end - now).TotalSeconds), 60, (long)MaxLife.TotalSeconds);
        return Sign(method, key is { } k ? UriText.Path(keyPrefix + k) : "", query, headers, end.AddSeconds(-seconds), seconds);
    }

    private Uri Sign(
        string method, string path, IEnumerable<(string Name, string Value)> query, IReadOnlyDictionary<string, string> headers,
        DateTimeOffset signed, long seconds)
    {
        var secret = credentials.GetCredentials();
        var time = signed.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var scope = $"{time[..8]}/{region}/{Service}/aws4_request";
        var allHeaders = headers.Append(new("host", _host)).OrderBy(h => h.Key, StringComparer.Ordinal).ToList();
        var signedHeaders = string.Join(';', allHeaders.Select(h => h.Key));
        List<(string Name, string Value)> parameters =
        [
            .. query, ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", $"{secret.AccessKey}/{scope}"), ("X-Amz-Date", time),
            ("X-Amz-Expires", seconds.ToString(CultureInfo.InvariantCulture)), ("X-Amz-SignedHeaders", signedHeaders),
        ];
        if (secret.UseToken)
            parameters.Add(("X-Amz-Security-Token", secret.Token));
        var canonicalQuery = string.Join('&', parameters.Select(p => (Name: UriText.Escape(p.Name), Value: UriText.Escape(p.Value)))
            .OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => $"{p.Name}={p.Value}"));

        var canonical = new StringBuilder().Append(method).Append('\n').Append(bucket.AbsolutePath).Append(path).Append('\n')
            .Append(canonicalQuery).Append('\n');
        foreach (var (name, value) in allHeaders)
            canonical.Append(name).Append(':').Append(value.Trim()).Append('\n');
        canonical.Append('\n').Append(signedHeaders).Append("\nUNSIGNED-PAYLOAD");

        var toSign =
            $"AWS4-HMAC-SHA256\n{time}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())))}";
        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(KeyFor(secret.SecretKey, time[..8]), Encoding.UTF8.GetBytes(toSign)));
        return new Uri($"{bucket.AbsoluteUri}{path}?{canonicalQuery}&X-Amz-Signature={signature}");
    }

    private byte[] KeyFor(string secret, string day)
    {
        if (_key is { } known && known.Day == day && known.Secret == secret)
            return known.Key;
        var key = Encoding.UTF8.GetBytes("AWS4" + secret);
        foreach (var text in (string[])[day, region, Service, "aws4_request"])
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));
        _key = new SigningKey(day, secret, key);
        return key;
    }

    private static DateTimeOffset Truncate(DateTimeOffset time) => DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds());

    private sealed record SigningKey(string Day, string Secret, byte[] Key);
}
