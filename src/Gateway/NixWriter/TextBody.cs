using System.IO.Compression;
using OrleansCache.Core;
using OrleansCache.Gateway.V1;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.NixWriter;

/// <summary>A small body of stock Nix, whole in memory: it may be compressed, as its settings narinfo-compression, ls-compression and log-compression say.</summary>
internal static class TextBody
{
    /// <exception cref="CacheProblemException">Too large, or not what its Content-Encoding says.</exception>
    public static async Task<byte[]> ReadAsync(HttpContext http, int most)
    {
        if (http.Request.ContentLength is null)
            throw new BadHttpRequestException("Send the body's size as Content-Length, not chunked.", StatusCodes.Status411LengthRequired);
        var coding = http.Request.Headers.ContentEncoding.ToString().ToLowerInvariant();
        await using Stream? decoder = coding switch
        {
            "" or "identity" => null,
            ContentCoding.Gzip => new GZipStream(http.Request.Body, CompressionMode.Decompress, leaveOpen: true),
            ContentCoding.Zstd => new ZstdDecompressStream(http.Request.Body, leaveOpen: true),
            "br" => new BrotliStream(http.Request.Body, CompressionMode.Decompress, leaveOpen: true),
            "xz" => new XzDecompressStream(http.Request.Body),
            "bzip2" => new Bzip2DecompressStream(http.Request.Body),
            _ => throw new CacheProblemException(ProblemKind.BadRequest, $"The body's Content-Encoding is '{coding}': set the compression to br, gzip, zstd, xz, bzip2 or none."),
        };
        try
        {
            using var content = new MemoryStream();
            await new BoundedStream(decoder ?? http.Request.Body, most).CopyToAsync(content, http.RequestAborted);
            return content.ToArray();
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, $"The body is not whole and valid {coding}: {e.Message}", inner: e);
        }
    }
}
