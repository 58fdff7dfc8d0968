using System.Globalization;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Microsoft.Net.Http.Headers;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Reads;

/// <summary>Answers GET and HEAD for one object of a store, with 200, 206, 304, 404 or 416, in constant memory.</summary>
internal static class ObjectAnswer
{
    private const string MissingCacheControl = "public, max-age=10";
    private const int CopyBuffer = 64 * 1024;

    public static Task NotFoundAsync(HttpContext http) =>
        Problems.WriteAsync(http, HttpProblem.NotFound, null, cacheControl: MissingCacheControl);

    /// <summary>Answers with bytes that are in memory.</summary>
    public static Task SendAsync(HttpContext http, ObjectKey key, byte[] content)
    {
        var etag = new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 16))}\"");
        SetHeaders(http.Response, KeyHeaders.For(key), etag, null);
        if (IsUnchanged(http.Request, etag, null))
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        http.Response.ContentLength = content.Length;
        return HttpMethods.IsHead(http.Request.Method) ? Task.CompletedTask
            : http.Response.Body.WriteAsync(content, http.RequestAborted).AsTask();
    }

    public static async Task SendAsync(HttpContext http, ObjectKey key, IObjectStore store)
    {
        if (!await TrySendAsync(http, key, store))
            await NotFoundAsync(http);
    }

    /// <summary>False when the store has no such object; nothing is answered then.</summary>
    public static async Task<bool> TrySendAsync(HttpContext http, ObjectKey key, IObjectStore store)
    {
        var request = http.Request;
        var usual = KeyHeaders.For(key);
        if (usual.ContentEncoding is not null)
            return await SendCodedAsync(http, key, store);

        // 1. Answers that need only size and dates.
        ByteRange? range = null;
        var isHead = HttpMethods.IsHead(request.Method);
        if (isHead || request.Headers.Range.Count > 0 || request.Headers.IfNoneMatch.Count > 0 || request.Headers.IfModifiedSince.Count > 0)
        {
            if (await store.HeadAsync(key, http.RequestAborted) is not { } info)
                return false;

            var etag = TagOf(info, "");
            SetHeaders(http.Response, usual, etag, info.LastModified);
            http.Response.Headers.AcceptRanges = "bytes";
            if (IsUnchanged(request, etag, info.LastModified))
            {
                http.Response.StatusCode = StatusCodes.Status304NotModified;
                return true;
            }

            range = SingleRange.Find(request, info.Size, etag, info.LastModified, out var unsatisfiable);
            if (unsatisfiable)
            {
                http.Response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{info.Size}");
                await Problems.WriteAsync(http, HttpProblem.RangeNotSatisfiable,
                    string.Create(CultureInfo.InvariantCulture, $"The object has {info.Size} bytes."));
                return true;
            }

            if (isHead)
            {
                http.Response.ContentLength = info.Size;
                return true;
            }
        }

        // 2. The bytes.
        await using var body = await store.GetAsync(key, range, http.RequestAborted);
        if (body is null)
            return false;

        SetHeaders(http.Response, body.Headers is null ? usual : usual with { ContentEncoding = body.Headers.ContentEncoding },
            TagOf(body.Info, ""), body.Info.LastModified);
        http.Response.Headers.AcceptRanges = "bytes";
        if (range is not null)
        {
            http.Response.StatusCode = StatusCodes.Status206PartialContent;
            http.Response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture,
                $"bytes {body.Offset}-{body.Offset + body.Length - 1}/{body.Info.Size}");
        }

        http.Response.ContentLength = body.Length;
        await CopyAsync(body.Stream, http.Response.BodyWriter, http.RequestAborted);
        return true;
    }

    // Listings and logs lie in the store as zstd. A client that accepts zstd gets them so, another gets them decoded. No ranges.
    private static async Task<bool> SendCodedAsync(HttpContext http, ObjectKey key, IObjectStore store)
    {
        await using var body = await store.GetAsync(key, null, http.RequestAborted);
        if (body is null)
            return false;

        var headers = KeyHeaders.For(key) with { ContentEncoding = await CodingAsync(body, key, store, http.RequestAborted) };
        var isCoded = headers.ContentEncoding == ContentCoding.Zstd;
        var decode = isCoded && !ContentCoding.Accepts(http.Request, ContentCoding.Zstd);
        var etag = TagOf(body.Info, decode ? "-plain" : "");
        SetHeaders(http.Response, decode ? headers with { ContentEncoding = null } : headers, etag, body.Info.LastModified);
        http.Response.Headers.Vary = "Accept-Encoding";
        if (IsUnchanged(http.Request, etag, body.Info.LastModified))
        {
            http.Response.StatusCode = StatusCodes.Status304NotModified;
            http.Response.Headers.ContentEncoding = default;
            return true;
        }

        if (!decode)
            http.Response.ContentLength = body.Length;
        if (HttpMethods.IsHead(http.Request.Method))
            return true;
        if (!decode)
        {
            await CopyAsync(body.Stream, http.Response.BodyWriter, http.RequestAborted);
            return true;
        }

        try
        {
            await using var plain = new ZstdDecompressStream(body.Stream, leaveOpen: true, Zstd.BodyWindowLog);
            await CopyAsync(plain, http.Response.BodyWriter, http.RequestAborted);
        }
        catch (InvalidDataException) when (!http.Response.HasStarted)
        {
            // The object is from before windows were checked, or damaged.
            http.Response.Clear();
            await Problems.WriteAsync(http, HttpProblem.NotFound,
                "What is stored here cannot be decompressed by this server: send 'Accept-Encoding: zstd' to get it as it is.");
        }

        return true;
    }

    private static async Task<string?> CodingAsync(ObjectBody body, ObjectKey key, IObjectStore store, CancellationToken cancellationToken)
    {
        if (body.Headers is { } stored)
            return stored.ContentEncoding;
        await using var start = await store.GetAsync(key, new ByteRange(0, 3), cancellationToken);
        var bytes = new byte[4];
        var length = start is null ? 0 : await start.Stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false,
            cancellationToken);
        return KeyHeaders.For(key, bytes.AsSpan(0, length)).ContentEncoding;
    }

    // Straight into the response's own buffer.
    private static async Task CopyAsync(Stream source, PipeWriter target, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await source.ReadAsync(target.GetMemory(CopyBuffer), cancellationToken);
            if (read == 0)
                return;
            target.Advance(read);
            var flushed = await target.FlushAsync(cancellationToken);
            if (flushed.IsCompleted)
                return;
        }
    }

    private static void SetHeaders(HttpResponse response, ObjectHeaders headers, EntityTagHeaderValue etag, DateTimeOffset? lastModified)
    {
        response.ContentType = headers.ContentType;
        response.Headers.CacheControl = headers.CacheControl;
        response.Headers.ETag = etag.ToString();
        response.Headers.ContentEncoding = headers.ContentEncoding;
        if (lastModified is { } time)
            response.Headers.LastModified = HeaderUtilities.FormatDate(time);
    }

    // A store without ETags, a directory, replaces an object by renaming, which changes its time or size.
    private static EntityTagHeaderValue TagOf(ObjectInfo info, string variant) =>
        new($"\"{info.ETag ?? string.Create(CultureInfo.InvariantCulture, $"{info.LastModified.UtcTicks:x}-{info.Size:x}")}{variant}\"");

    // RFC 9110, 13.2.2: where If-None-Match is present, it alone decides.
    private static bool IsUnchanged(HttpRequest request, EntityTagHeaderValue etag, DateTimeOffset? lastModified)
    {
        var sent = request.GetTypedHeaders();
        if (sent.IfNoneMatch.Count > 0)
            return sent.IfNoneMatch.Any(t => t.Equals(EntityTagHeaderValue.Any) || t.Compare(etag, useStrongComparison: false));
        return lastModified is { } time && sent.IfModifiedSince is { } since && time.ToUnixTimeSeconds() <= since.ToUnixTimeSeconds();
    }
}
