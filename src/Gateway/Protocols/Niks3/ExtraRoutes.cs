using Microsoft.AspNetCore.Http.Features;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using OrleansCache.Nix;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// <c>PUT pending_closures/{id}/objects/{key}?secret=</c> takes everything but large NARs. The secret is the push's own and ends with it.
/// No client chooses a key in the bucket: listings, logs and realisations are kept until the commit; a narinfo is dropped, as the gateway
/// writes it from what was signed; a NAR is of the grant that its URL names.
/// </summary>
internal static class ExtraRoutes
{
    private const int MaxNar = 32 << 20;
    private const int MaxNarInfo = 8 << 20;
    private const int MaxListing = 16 << 20;
    private const int MaxLog = 32 << 20;
    private const int MaxRealisation = 64 << 10;
    private static readonly byte[] ZstdMagic = [0x28, 0xB5, 0x2F, 0xFD];

    public static string Url(GatewayParts parts, CacheName cache, Niks3Opened push, string key, Niks3Upload? upload)
    {
        var root = parts.PublicUrl.AbsoluteUri.TrimEnd('/') + (cache == CacheName.Default ? "" : $"/c/{cache}");
        var url = $"{root}/api/pending_closures/{push.Id}/objects/{string.Join('/', key.Split('/').Select(Uri.EscapeDataString))}?secret={push.Secret}";
        return upload is null ? url : $"{url}&upload={Uri.EscapeDataString(upload.Id)}";
    }

    public static void Map(IEndpointRouteBuilder api, GatewayParts parts) =>
        api.MapPut("/pending_closures/{id}/objects/{**key}", http => ReceiveAsync(http, parts)).Needs(Access.SignedUrl);

    private static async Task ReceiveAsync(HttpContext http, GatewayParts parts)
    {
        var pushes = parts.Niks3Pushes;
        // 1. The push that the secret belongs to. Nothing of the body is read before that is known.
        var (cache, push, secret, key) = (Cache(http), Push(http), http.Request.Query["secret"].ToString(),
            http.GetRouteValue("key") as string);
        if (!await IsOpenAsync(http, parts, cache, push, secret))
        {
            await Problems.WriteAsync(http, HttpProblem.UrlRefused,
                "The upload URL is not of an open push: it has ended, or was never there. Push again.");
            return;
        }

        // 2. The body.
        var limit = Keys.TryNarInfo(key, out _) ? MaxNarInfo : Keys.TryListing(key, out var path) ? MaxListing : Keys.TryLog(key, out _)
            ? MaxLog : Keys.TryRealisation(key, out _) ? MaxRealisation : Keys.TryNar(key, out _) ? MaxNar
            : throw Bad($"'{key}' is not a key that can be uploaded here");
        using var body = await ReadAsync(http, limit);

        // 3. What to do with the body.
        var kept = key switch
        {
            _ when Keys.TryListing(key, out path) => await pushes.KeepListingAsync(cache, push, secret, path, Zstandard(body),
                http.RequestAborted),
            _ when Keys.TryLog(key, out var log) => await pushes.KeepObjectAsync(cache, push, secret, log, Zstandard(body),
                http.RequestAborted),
            _ when Keys.TryRealisation(key, out var realisation) => await pushes.KeepObjectAsync(cache, push, secret, realisation,
                Json(body), http.RequestAborted),
            _ when Keys.TryNar(key, out var nar) => await TakeNarAsync(nar),
            _ => true,
        };
        if (!kept)
            await Problems.WriteAsync(http, HttpProblem.UrlRefused, $"The push has just ended, or {key} is none of its objects.");

        async Task<bool> TakeNarAsync(Sha256Hash nar)
        {
            // Its clients' windows have 8 MiB: the decompressor needs no more memory than for other bodies.
            var file = body.ToArray();
            if (ZstdFrames.FindFault(file, Zstd.BodyWindowLog) is { } fault)
                throw Bad($"The body is not a NAR, compressed with zstd: {fault}.");
            await pushes.ReceiveNarAsync(cache, push, secret, http.Request.Query["upload"].ToString(), nar, file, http.RequestAborted);
            return true;
        }
    }

    // Who has no secret of a cache's push does not learn whether there is such a cache, by the time neither: of the push the catalog is
    // asked all the same.
    private static async Task<bool> IsOpenAsync(HttpContext http, GatewayParts parts, CacheName cache, PushId push, string secret)
    {
        var isServed = cache == CacheName.Default || CacheRequests.FindForUrl(http, parts) is not null;
        try
        {
            return await parts.Niks3Pushes.IsOpenAsync(isServed ? cache : CacheName.Default, push, secret, http.RequestAborted) && isServed;
        }
        catch (CacheProblemException e) when (e.Kind == ProblemKind.UnknownCache)
        {
            return false;
        }
    }

    private static async Task<BodyBytes> ReadAsync(HttpContext http, int limit)
    {
        http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = limit;
        if (http.Request.ContentLength is not { } length)
            throw new BadHttpRequestException(
                "Send the body's size as Content-Length, not chunked: a body that was cut short must not look whole.",
                StatusCodes.Status411LengthRequired);
        if (length > limit)
            throw new CacheProblemException(ProblemKind.TooLarge, $"At most {limit} bytes are taken here, and {length} were declared.");
        var lease = http.LeaseBody();
        var body = await BodyReader.ReadAsync(http.Request.Body, "", limit, lease, http.RequestAborted);
        // Once more, for the compressed copy.
        await lease.TakeAsync(body.Length, http.RequestAborted);
        lease.Settle(body.Taken + body.Length);
        return body;
    }

    // Zstandard, as it lies in the store. A plain body is compressed.
    private static byte[] Zstandard(BodyBytes body)
    {
        if (!body.StartsWith(ZstdMagic))
            return body.Compress();
        var frames = body.ToArray();
        return ZstdFrames.FindFault(frames, Zstd.BodyWindowLog) is { } fault
            ? throw Bad($"The body begins as zstd does, and {fault}.") : frames;
    }

    private static byte[] Json(BodyBytes body)
    {
        try
        {
            var json = body.StartsWith(ZstdMagic) ? Zstd.Decompress(body.ToArray(), MaxRealisation, Zstd.BodyWindowLog) : body.ToArray();
            using var parsed = System.Text.Json.JsonDocument.Parse(json);
            return json;
        }
        catch (Exception e) when (e is InvalidDataException or System.Text.Json.JsonException)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, $"The body is not a realisation: {e.Message}", inner: e);
        }
    }
}
