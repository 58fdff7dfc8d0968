using Microsoft.AspNetCore.Http.Features;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Limits;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;

namespace OrleansCache.Gateway.Uploads;

/// <summary>
/// <c>PUT /upload/{key}</c>, and <c>/c/{cache}/upload/{key}</c>: the target of the signed upload URLs of a directory store. The signature
/// is the credential.
/// </summary>
internal static class UploadRoutes
{
    private const string ETagParameter = "etag";

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        if (parts.Store is not DirectoryObjectStore)
            return;
        foreach (var root in (string[])["", "/c/{cache}"])
            app.MapPut(root + "/upload/{**key}", (RequestDelegate)(http => ReceiveAsync(http,
                CacheRequests.FindForUrl(http, parts)?.Store as DirectoryObjectStore, parts.Time))).Needs(Access.SignedUrl).IsUpload();
    }

    private static async Task ReceiveAsync(HttpContext http, DirectoryObjectStore? store, TimeProvider time)
    {
        // 1. What the URL allows. Nothing of the body is read before that is known.
        var query = http.Request.Query;
        var signed = store?.TryVerify((string?)http.GetRouteValue("key"), name => query.TryGetValue(name, out var value) ? value.ToString()
            : null, time.GetUtcNow());
        if (store is null || signed is null)
        {
            await Problems.WriteAsync(http, HttpProblem.UrlRefused,
                "The upload URL has expired or was not made by this server: ask for fresh URLs of the upload.");
            return;
        }

        if (http.Request.ContentLength is not { } length)
        {
            await Problems.WriteAsync(http, HttpProblem.LengthRequired,
                "Send the body's size as Content-Length, not chunked: a body that was cut short must not look whole.");
            return;
        }

        // 2. The body, whose size the URL bounds. A client that sends nothing for long is cut off; a slow one is not.
        http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        using var tagged = query.ContainsKey(ETagParameter) ? new Md5Stream(http.Request.Body) : null;
        var outcome = await store.ReceiveAsync(signed, tagged ?? http.Request.Body, length, http.RequestAborted);

        // 3. The ETag, on request only: an MD5 would cost as much as all the rest, and better hashes check a report.
        switch (outcome)
        {
            case UploadStatus.Stored:
                http.Response.ContentLength = 0;
                http.Response.Headers.ETag = tagged?.ETag();
                break;
            case UploadStatus.Exists:
                await Problems.WriteAsync(http, HttpProblem.AlreadyUploaded,
                    "An object of this key has arrived before; report the upload, and it is checked.");
                break;
            case UploadStatus.Gone:
                await Problems.WriteAsync(http, HttpProblem.NotFound,
                    "This multipart upload was completed or has ended: ask 'wait' for what to do.");
                break;
            case UploadStatus.Superseded:
                await Problems.WriteAsync(http, HttpProblem.UploadSuperseded,
                    "A newer request uploads the same part; leave it to that one.");
                break;
            case UploadStatus.WrongLength:
                await Problems.WriteAsync(http, HttpProblem.BadRequest,
                    "The body is shorter or longer than allowed or declared; nothing was stored. Send it again, whole.");
                break;
            case UploadStatus.TooLarge:
                await Problems.WriteAsync(http, HttpProblem.TooLarge,
                    $"The URL allows at most {signed.MaxSize} bytes, and {length} were declared.");
                break;
            default:
                throw new InvalidOperationException($"{outcome} has no answer");
        }
    }
}
