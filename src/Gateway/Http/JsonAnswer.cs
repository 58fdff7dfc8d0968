using System.IO.Compression;
using System.Text.Json;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>An answer as JSON, compressed the way the client accepts: zstd before gzip.</summary>
internal sealed class JsonAnswer<T>(T value, int status = StatusCodes.Status200OK) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.Headers.Vary = "Accept-Encoding";
        if (ContentCoding.Accepts(httpContext.Request, ContentCoding.Zstd))
        {
            response.Headers.ContentEncoding = ContentCoding.Zstd;
            await using var encoder = new ZstdCompressStream(response.Body, level: 1, leaveOpen: true);
            await SerializeAsync(encoder, httpContext.RequestAborted);
        }
        else if (ContentCoding.Accepts(httpContext.Request, ContentCoding.Gzip))
        {
            response.Headers.ContentEncoding = ContentCoding.Gzip;
            await using var encoder = new GZipStream(response.Body, CompressionLevel.Fastest, leaveOpen: true);
            await SerializeAsync(encoder, httpContext.RequestAborted);
        }
        else
        {
            await SerializeAsync(response.Body, httpContext.RequestAborted);
        }
    }

    private Task SerializeAsync(Stream body, CancellationToken cancellationToken) =>
        JsonSerializer.SerializeAsync(body, value, WireJson.Of<T>(), cancellationToken);
}
