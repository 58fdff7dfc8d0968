using System.Diagnostics;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Protocols.Niks3.Requests;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>
/// Pushes: create, upload, sign, complete. A pending closure has the id of its push. The server keeps no state between requests: each
/// brings what it needs, or the catalog has it.
/// </summary>
internal static class PushRoutes
{
    private const int MaxPartsAtOnce = 1_000;
    private const int MaxParts = 10_000;
    private const int MaxEtag = 200;
    // Its clients wait for an answer as long as they live; a proxy before the server does not.
    private static readonly TimeSpan VerificationPatience = TimeSpan.FromSeconds(40);

    public static void Map(IEndpointRouteBuilder api, GatewayParts parts, CancellationToken stopping)
    {
        var contents = parts.Contents;

        api.MapPost("/pending_closures", async http =>
        {
            var request = await ReadAsync<CreateRequest>(http, LargeBody);
            var cache = Cache(http);
            var opened = await Of(http).OpenAsync(cache, Closures.Read(request), http.RequestAborted);
            await AnswerAsync(http, Closures.Answer(request, opened, key => ExtraRoutes.Url(parts, cache, opened, key),
                parts.Time.GetUtcNow()), Wire.CreateAnswer);
        }).Needs(Access.Push);

        api.MapPost("/pending_closures/{id}/sign", async http =>
        {
            var request = await ReadAsync<SignRequest>(http, LargeBody);
            var declared = (request.Narinfos ?? []).Select(n => Closures.Read(n.Key, n.Value)).ToList();
            var signatures = await Of(http).DeclareAsync(Cache(http), Push(http), declared, http.RequestAborted);
            await AnswerAsync(http, new SignAnswer(signatures.ToDictionary(s => Keys.NarInfo(s.Key), s => s.Value)), Wire.SignAnswer);
        }).Needs(Access.Push);

        // The request waits for a long commit, as no answer of the protocol says 'later'. A repeated request joins it.
        api.MapPost("/pending_closures/{id}/complete", async http =>
        {
            using var linked = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
            await http.Credential().DemandPinOfAsync(parts.Pushes.As(http.Credential().Caller), Cache(http), Push(http), linked.Token);
            var started = Stopwatch.GetTimestamp();
            var patience = parts.CommitPatience < VerificationPatience ? parts.CommitPatience : VerificationPatience;
            var pushes = parts.Pushes.As(http.Credential().Caller);
            while (await pushes.CommitAsync(Cache(http), Push(http), patience, linked.Token) is { State: not PushState.Committed } answer)
            {
                if (answer.Unread is not null && Stopwatch.GetElapsedTime(started) >= VerificationPatience)
                    throw new CacheProblemException(ProblemKind.Unavailable, $"{answer.WaitsFor} Send the same request again.");
            }

            NoContent(http);
        }).Needs(Access.Push);

        api.MapDelete("/pending_closures", async http =>
        {
            await Of(http).EndSilentAsync(Cache(http), GoDuration.Parse("older-than", http.Request.Query["older-than"]),
                http.RequestAborted);
            NoContent(http);
        }).Needs(Access.Gc);

        api.MapPost("/multipart/request-parts", async http =>
        {
            var request = await ReadAsync<MorePartsRequest>(http, SmallBody);
            if (!Keys.TryNar(request.ObjectKey, out var nar) || request.UploadId is not { } upload)
                throw Bad("object_key of a NAR and upload_id are wanted");
            if (request.NumParts is < 1 or > MaxPartsAtOnce || request.StartPartNumber < 1
                || request.StartPartNumber > MaxParts - request.NumParts + 1)
                throw Bad(
                    $"parts {request.StartPartNumber} and on, {request.NumParts} of them: 1 to {MaxPartsAtOnce} at once, and none above {MaxParts}");
            var urls = await Of(http).PartsAsync(Cache(http), upload, nar, request.StartPartNumber, request.NumParts, http.RequestAborted);
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
            await Of(http).UploadedAsync(Cache(http), upload, nar, ordered.ConvertAll(p => p.Etag ?? ""), http.RequestAborted);
            NoContent(http);
        }).Needs(Access.Push);

        // Advice: a client whose upload has ended asks whether another push has finished the same object.
        api.MapMethods("/objects/{**key}", ["HEAD"], async http =>
        {
            var (cache, key, caller) = (Cache(http), http.GetRouteValue("key") as string, http.Credential().Caller);
            var there = Keys.TryNar(key, out var nar) ? await contents.HasNarAsync(cache, caller, nar, http.RequestAborted)
                : Keys.TryNarInfo(key, out var path)
                    ? await contents.HasPathAsync(cache, caller, path, withListing: false, http.RequestAborted)
                : Keys.TryListing(key, out var listed)
                    ? await contents.HasPathAsync(cache, caller, listed, withListing: true, http.RequestAborted)
                : ObjectKey.TryParse(key, out var other) && await contents.HasObjectAsync(cache, caller, other, http.RequestAborted);
            http.Response.StatusCode = there ? StatusCodes.Status204NoContent : StatusCodes.Status404NotFound;
        }).Needs(Access.Push);

        api.MapGet("/closures/{key}", async http =>
        {
            var key = (string)http.GetRouteValue("key")!;
            if (!Keys.TryNarInfo(key, out var root)
                || await contents.ClosureAsync(Cache(http), http.Credential().Caller, root, http.RequestAborted) is not { } closure)
                throw new CacheProblemException(ProblemKind.UnknownPath, $"no closure '{key}' was pushed here");
            var objects = closure.Paths.SelectMany(p => (string?[])[Keys.NarInfo(p.Path), Keys.Nar(p.NarHash), p.HasListing
                ? Keys.Listing(p.Path) : null, .. p.Objects.Select(o => o.ToString())]);
            await AnswerAsync(http, new ClosureAnswer(key, Time(closure.Pushed), [.. objects.OfType<string>().Distinct()]),
                Wire.ClosureAnswer);
        }).Needs(Access.Push);

        INiks3Pushes Of(HttpContext http) => parts.Niks3Pushes.As(http.Credential().Caller);
    }
}
