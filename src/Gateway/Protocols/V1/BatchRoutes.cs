using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Limits;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>
/// <c>POST /v1/caches/{cache}/uploads</c>: many small NARs in one request, for a directory store. The body has a line <c>URL SIZE</c> for
/// each NAR, an empty line, and the bytes of all. The token admits the request; each signed URL says what may be written.
/// </summary>
internal static class BatchRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        if (parts.Store is DirectoryObjectStore)
        {
            app.MapPost("/v1/caches/{cache}/uploads", async (string cache, HttpContext http) =>
                {
                    var store = (DirectoryObjectStore)parts.ViewOf(Cache(cache)).Store;
                    http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = BatchLimits.Bytes
                        + (BatchLimits.Objects * (long)BatchLimits.LineBytes);
                    return new JsonAnswer<BatchAnswer>(await ReceiveAsync(http.Request.BodyReader, store, parts.Time.GetUtcNow(),
                        http.RequestAborted));
                })
                .WithTags("push").Accepts<Stream>("application/octet-stream").Needs(Access.Push).IsUpload()
                .Answers<BatchAnswer>(200, "Upload many small NARs at once, to a directory store").Fails(400, 404, 413);
        }
    }

    private static async Task<BatchAnswer> ReceiveAsync(PipeReader body, DirectoryObjectStore store, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        var uploads = new List<(SignedUpload? Signed, int Length)>();
        var bytes = 0L;
        while (await ReadLineAsync(body, cancellationToken) is { Length: > 0 } line)
        {
            var space = line.LastIndexOf(' ');
            if (space < 0 || !int.TryParse(line.AsSpan(space + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var length))
                throw Malformed("each line is a URL, a space and a number of bytes");
            if (length > BatchLimits.ObjectBytes || uploads.Count == BatchLimits.Objects || (bytes += length) > BatchLimits.Bytes)
            {
                throw new CacheProblemException(ProblemKind.TooLarge,
                    $"At most {BatchLimits.Objects} NARs of at most {BatchLimits.ObjectBytes} bytes each, and {BatchLimits.Bytes} bytes " +
                        "together, are taken in one request: send fewer, and larger ones by themselves.");
            }

            uploads.Add((store.TryVerifyWhole(line[..space], now), length));
        }

        if (uploads.Count == 0)
            throw Malformed("the line of one NAR at least is wanted");
        var outcomes = await store.ReceiveBatchAsync(uploads, body.AsStream(leaveOpen: true), cancellationToken)
            ?? throw Malformed("the bytes are fewer or more than the lines declare");
        return new BatchAnswer
        {
            Statuses = [.. outcomes.Select(outcome => outcome switch
            {
                UploadStatus.Stored => StatusCodes.Status200OK,
                UploadStatus.Exists => StatusCodes.Status412PreconditionFailed,
                UploadStatus.TooLarge => StatusCodes.Status413PayloadTooLarge,
                null => StatusCodes.Status403Forbidden,
                _ => throw new InvalidOperationException($"{outcome} has no status"),
            })],
        };
    }

    /// <summary>The next line without its end; empty for the line that ends them.</summary>
    private static async ValueTask<string> ReadLineAsync(PipeReader body, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await body.ReadAsync(cancellationToken);
            var buffer = read.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = buffer.Slice(0, end);
                var text = line.Length <= BatchLimits.LineBytes ? Encoding.ASCII.GetString(line) : null;
                body.AdvanceTo(buffer.GetPosition(1, end));
                return text ?? throw Malformed("a line is longer than any URL of ours");
            }

            var isEnd = read.IsCompleted || buffer.Length > BatchLimits.LineBytes;
            body.AdvanceTo(buffer.Start, buffer.End);
            if (isEnd)
                throw Malformed("an empty line after the lines of the NARs is wanted, then their bytes");
        }
    }

    private static CacheProblemException Malformed(string why) =>
        new(ProblemKind.BadRequest, $"The body is not a batch of uploads: {why}. Nothing was stored.");
}
