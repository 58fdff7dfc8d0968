using Microsoft.Net.Http.Headers;

namespace OrleansCache.Gateway.Http;

/// <summary>What a client accepts as <c>Content-Encoding</c>.</summary>
internal static class ContentCoding
{
    public const string Gzip = "gzip";
    public const string Zstd = "zstd";

    /// <summary>True when the request names the coding, or <c>*</c>, with a weight above 0. Without the header: false.</summary>
    public static bool Accepts(HttpRequest request, string coding)
    {
        var sent = request.Headers.AcceptEncoding;
        if (sent.Count == 0 || !StringWithQualityHeaderValue.TryParseList(sent, out var accepted))
            return false;
        var match = accepted.FirstOrDefault(a => a.Value.Equals(coding, StringComparison.OrdinalIgnoreCase))
            ?? accepted.FirstOrDefault(a => a.Value == "*");
        return match is not null && match.Quality is not 0;
    }
}
