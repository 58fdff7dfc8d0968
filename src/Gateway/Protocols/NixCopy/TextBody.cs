using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Protocols.NixCopy;

/// <summary>
/// Reads a small body of stock Nix whole into memory. It may be compressed, as Nix's settings narinfo-compression, ls-compression and
/// log-compression say.
/// </summary>
internal static class TextBody
{
    // A listing has two levels for each directory.
    private static readonly JsonReaderOptions DeepTrees = new() { MaxDepth = 1000 };

    /// <param name="http">The request.</param>
    /// <param name="most">The most bytes, decoded.</param>
    /// <param name="perByte">Memory for each byte of the body, beside the byte itself.</param>
    /// <exception cref="CacheProblemException">The body is too large, or not in the coding of its Content-Encoding.</exception>
    public static async Task<BodyBytes> ReadAsync(HttpContext http, int most, int perByte)
    {
        if (http.Request.ContentLength is null)
            throw new BadHttpRequestException("Send the body's size as Content-Length, not chunked.", StatusCodes.Status411LengthRequired);
        var coding = http.Request.Headers.ContentEncoding.ToString().ToLowerInvariant();
        if (coding is not ("" or "identity" or ContentCoding.Gzip or ContentCoding.Zstd or "br" or "xz" or "bzip2"))
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"The body's Content-Encoding is '{coding}': set the compression to br, gzip, zstd, xz, bzip2 or none.");
        var lease = http.LeaseBody();
        try
        {
            var body = await BodyReader.ReadAsync(http.Request.Body, coding, most, lease, http.RequestAborted);
            http.Response.RegisterForDispose(body);
            await lease.TakeAsync(body.Length * perByte, http.RequestAborted);
            lease.Settle(body.Taken + (body.Length * perByte));
            return body;
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, $"The body is not whole and valid {coding}: {e.Message}", inner: e);
        }
    }

    /// <summary>
    /// Requires a JSON object without building one: a document of many small values would need more memory than its text.
    /// </summary>
    /// <exception cref="CacheProblemException">The body is no JSON object.</exception>
    public static void RequireJsonObject(this BodyBytes body)
    {
        var reader = new Utf8JsonReader(body.Sequence, DeepTrees);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new CacheProblemException(ProblemKind.BadRequest, "The body is JSON, but no object.");
            while (reader.Read())
            {
            }
        }
        catch (JsonException e)
        {
            throw NoJson(e);
        }
    }

    public static CacheProblemException NoJson(JsonException e) =>
        new(ProblemKind.BadRequest, $"The body is not JSON: {e.Message}", inner: e);
}
