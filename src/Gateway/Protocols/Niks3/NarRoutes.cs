using OrleansCache.Core.Common;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>What clients say of their uploads: of parts, of what came by one PUT, and of what they leave out.</summary>
internal static class NarRoutes
{
    private const int MaxPartsAtOnce = 1_000;
    private const int MaxParts = 10_000;
    private const int MaxEtag = 200;

    public static void Map(IEndpointRouteBuilder api, GatewayParts parts)
    {
        api.MapPost("/multipart/request-parts", async http =>
        {
            var request = await ReadAsync<MorePartsRequest>(http, SmallBody);
            if (!Keys.TryNar(request.ObjectKey, out var nar) || request.UploadId is not { } upload)
                throw Bad("object_key of a NAR and upload_id are wanted");
            if (request.NumParts is < 1 or > MaxPartsAtOnce || request.StartPartNumber < 1
                || request.StartPartNumber > MaxParts - request.NumParts + 1)
                throw Bad(
                    $"parts {request.StartPartNumber} and on, {request.NumParts} of them: 1 to {MaxPartsAtOnce} at once, and none above {MaxParts}");
            var urls = await Pushes(http, parts).PartsAsync(Cache(http), upload, nar, request.StartPartNumber, request.NumParts,
                http.RequestAborted);
            await AnswerAsync(http, new MorePartsAnswer(urls.Select(u => u.AbsoluteUri), request.StartPartNumber), Wire.MorePartsAnswer);
        }).Needs(Access.Push);

        api.MapPost("/multipart/complete", async http =>
        {
            var request = await ReadAsync<CompleteMultipartRequest>(http, SmallBody);
            if (!Keys.TryNar(request.ObjectKey, out var nar) || request.UploadId is not { } upload
                || request.Parts is not { Count: > 0 } sent)
                throw Bad("object_key of a NAR, upload_id and parts are wanted");
            if (sent.Count > MaxParts
                || sent.Any(p => p.Etag is { } etag && (etag.Length > MaxEtag || etag.AsSpan().ContainsAnyExceptInRange('!', '~'))))
                throw Bad($"at most {MaxParts} parts are wanted, each with the ETag that its PUT answered");
            var ordered = sent.OrderBy(p => p.PartNumber).ToList();
            if (ordered.Where((p, i) => p.PartNumber != i + 1).Any())
                throw Bad("the parts must be 1, 2 and so on, none left out");
            await Pushes(http, parts).UploadedAsync(Cache(http), upload, nar, ordered.ConvertAll(p => p.Etag ?? ""), http.RequestAborted);
            NoContent(http);
        }).Needs(Access.Push);

        // What came by one PUT was recorded before that was answered, so there is nothing to do.
        api.MapPost("/uploads/complete", async http =>
        {
            var request = await ReadAsync<UploadedRequest>(http, SmallBody);
            if (!Keys.IsKey(request.ObjectKey))
                throw Bad($"'{request.ObjectKey}' is not a key that can be uploaded here");
            NoContent(http);
        }).Needs(Access.Push);

        api.MapPost("/uploads/skipped", async http =>
        {
            var request = await ReadAsync<SkippedRequest>(http, SmallBody);
            if (Math.Max(request.Paths, request.NarBytes) > long.MaxValue)
                throw Bad("paths and nar_bytes are less than 2^63");
            Telemetry.SkippedPaths.Add((long)request.Paths);
            Telemetry.SkippedBytes.Add((long)request.NarBytes);
            NoContent(http);
        }).Needs(Access.Push);
    }
}
