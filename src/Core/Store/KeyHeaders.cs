using OrleansCache.Contracts;

namespace OrleansCache.Core.Store;

/// <summary>The headers of stored and served objects, by key.</summary>
public static class KeyHeaders
{
    private const string Minutes = "public, max-age=300";
    private const string Immutable = "public, max-age=31536000, immutable";

    /// <summary>The headers of objects that the gateway writes: listings and logs are zstd bytes.</summary>
    public static ObjectHeaders For(ObjectKey key) => key.ToString() switch
    {
        "nix-cache-info" => new("text/x-nix-cache-info", "public, max-age=3600"),
        "index.html" => new("text/html; charset=utf-8", "no-cache"),
        var k when k.StartsWith("pins/", StringComparison.Ordinal) => new("text/plain; charset=utf-8", "no-cache"),
        var k when k.StartsWith("nar/", StringComparison.Ordinal) => new("application/x-nix-nar", Immutable),
        var k when k.StartsWith("log/", StringComparison.Ordinal) => new("text/plain; charset=utf-8", Minutes, "zstd"),
        var k when k.StartsWith("debuginfo/", StringComparison.Ordinal) => new("application/json", Minutes),
        var k when k.EndsWith(".narinfo", StringComparison.Ordinal) => new("text/x-nix-narinfo", Minutes),
        var k when k.EndsWith(".ls", StringComparison.Ordinal) => new("application/json", Minutes, "zstd"),
        var k when k.EndsWith(".doi", StringComparison.Ordinal) => new("application/json", Minutes),
        _ => new("application/octet-stream", Minutes),
    };

    /// <summary>
    /// Headers of stored bytes that carry none, from their first four or more: a listing or log that is not zstd has no Content-Encoding.
    /// </summary>
    public static ObjectHeaders For(ObjectKey key, ReadOnlySpan<byte> start)
    {
        var headers = For(key);
        return headers.ContentEncoding is null || start is [0x28, 0xB5, 0x2F, 0xFD, ..] ? headers : headers with { ContentEncoding = null };
    }
}
