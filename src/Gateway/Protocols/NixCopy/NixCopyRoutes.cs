using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Limits;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.NixCopy;

/// <summary>
/// The PUTs of stock Nix: <c>nix copy --to http://…/c/&lt;cache&gt;</c>. Nix takes only 201, or 200 for what was there, as success.
/// <see cref="NixCopyReads"/> has what Nix asks before. No answer makes an old Nix repeat a PUT without its body: see
/// <see cref="NixUserAgent"/>.
/// </summary>
internal static class NixCopyRoutes
{
    /// <summary>The most bytes of a listing or log, decompressed.</summary>
    public const int MaxText = 64 << 20;

    private const int MaxNarInfo = 16 << 20;
    private const int MaxJson = 1 << 20;

    // Memory for each byte: of a narinfo its text and paths; of a document its tokens, as one of two characters may take twelve bytes.
    private const int NarInfoBytes = 4;
    private const int DocumentBytes = 8;

    // An old Nix that repeats a PUT sends no body and waits for the answer, which should come soon. A client that sends is not affected.
    private static readonly Microsoft.AspNetCore.Server.Kestrel.Core.MinDataRate FirstBytesSoon = new(bytesPerSecond: 240,
        gracePeriod: TimeSpan.FromSeconds(5));

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        Put("/nix-cache-info", CacheInfoAsync);
        Put("/{hash}.narinfo", NarInfoAsync);
        Put("/{hash}.ls", ListingAsync);
        Put("/nar/{file}", NarAsync).IsUpload();
        Put("/log/{drv}", LogAsync);
        Put("/realisations/{id}", RealisationAsync);
        Put("/build-trace-v2/{drv}/{output}", RealisationAsync);
        Put("/debuginfo/{id}", DebugInfoAsync);

        IEndpointConventionBuilder Put(string pattern, Func<HttpContext, CacheName, GatewayParts, Task> handle) =>
            app.MapPut("/c/{cache}" + pattern, (RequestDelegate)(http => AnswerAsync(http, parts, handle))).Needs(Access.Push);
    }

    private static async Task AnswerAsync(HttpContext http, GatewayParts parts, Func<HttpContext, CacheName, GatewayParts, Task> handle)
    {
        var isOld = NixUserAgent.Sent(http.Request);
        // The rate of one stream of HTTP/2 cannot be set; there a PUT without its body ends by the limit of all requests.
        if (isOld && !HttpProtocol.IsHttp2(http.Request.Protocol) && http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            rate.MinDataRate = FirstBytesSoon;
        try
        {
            await handle(http, RouteHelpers.Cache((string)http.GetRouteValue("cache")!), parts);
        }
        catch (BadHttpRequestException e) when (isOld && e.StatusCode == StatusCodes.Status408RequestTimeout && !http.Response.HasStarted)
        {
            await Problems.WriteAsync(http, HttpProblem.BadRequest,
                "The body did not come, or not all of it; nothing was stored. A Nix before 2.33.2 sends none when it repeats a PUT: run " +
                    "the command again.");
        }
        catch (Exception e) when (isOld && (e is CacheProblemException { Kind: ProblemKind.DiskFull } || FullDisk.Is(e))
            && !http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted)
        {
            await Problems.WriteAsync(http, HttpProblem.RunAgain with { Title = HttpProblem.DiskFull.Title },
                $"{(e as CacheProblemException)?.Message ?? FullDisk.Sentence} Then run the command again.");
        }
        catch (Exception e) when (isOld && IsOutage(e) && !http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted)
        {
            // Each call that can be repeated was repeated before this answer.
            await Problems.WriteAsync(http, HttpProblem.RunAgain,
                $"{e switch { CacheProblemException => e.Message, ObjectStoreException store => store.Told, _ => "The database or the store did not answer in time." }} Run the command again.");
        }
    }

    private static bool IsOutage(Exception e) =>
        e is CacheProblemException { Kind: ProblemKind.Unavailable } or ObjectStoreException or Npgsql.NpgsqlException or TimeoutException
            or OperationCanceledException;

    private static async Task NarAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        var file = (string)http.GetRouteValue("file")!;
        if (!NarFileName.TryParse(file, out var name))
            throw Bad(
                $"'{file}' is not the name of a NAR: 52 nix32 characters, which are the SHA-256 of the file, and .nar with the ending of its compression.");
        if (http.Request.ContentLength is not { } length)
            throw new BadHttpRequestException(
                "Send the body's size as Content-Length, not chunked: a body that was cut short must not look whole.",
                StatusCodes.Status411LengthRequired);
        http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        await parts.NixCopy.ReceiveNarAsync(cache, http.Credential().Caller, name, http.Request.Body, length, http.RequestAborted);
        Accepted(http);
    }

    private static async Task NarInfoAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        var text = Encoding.UTF8.GetString((await TextBody.ReadAsync(http, MaxNarInfo, NarInfoBytes)).Sequence);
        if (!NarInfo.TryParse(text, out var info, out var error))
            throw Bad($"The body is not a narinfo: {error}.");
        if (info.StorePath.Hash != Hash(http))
            throw Bad($"The narinfo is of {info.StorePath}, and the URL names another hash.");
        var caller = http.Credential().Caller;
        var outcome = await parts.NixCopy.PublishAsync(cache, caller, info, parts.CommitPatience, http.RequestAborted);
        Accepted(http, outcome == NarInfoOutcome.Published || !caller.ReadsOthers ? StatusCodes.Status201Created
            : StatusCodes.Status200OK);
        if (outcome == NarInfoOutcome.Conflict && caller.ReadsOthers)
        {
            http.Response.ContentLength = null;
            http.Response.ContentType = "text/plain; charset=utf-8";
            await http.Response.WriteAsync($"{info.StorePath} is here with another NAR, which stays: two builds of it differ.\n",
                http.RequestAborted);
        }
    }

    private static async Task ListingAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        var hash = Hash(http);
        var content = await TextBody.ReadAsync(http, MaxText, perByte: 2);
        content.RequireJsonObject();
        await KeepAsync(http, cache, parts, new NixExtra(ObjectKey.Listing(hash), NixExtraKind.Listing, hash, null, content.Compress()));
    }

    private static async Task LogAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        if (!StorePath.TryParse((string)http.GetRouteValue("drv")!, out var drv) || !drv.IsDerivation)
            throw Bad("The URL of a log is 'log/' with the base name of its derivation, which ends with .drv.");
        var content = await TextBody.ReadAsync(http, MaxText, perByte: 2);
        await KeepAsync(http, cache, parts, new NixExtra(ObjectKey.Log(drv), NixExtraKind.Log, drv.Hash, null, content.Compress()));
    }

    private static async Task RealisationAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        var values = http.Request.RouteValues;
        const string Ending = ".doi";
        var isTrace = values.ContainsKey("output");
        var text = isTrace ? $"{values["drv"]}^{values["output"]}" : $"{values["id"]}";
        if (!text.EndsWith(Ending, StringComparison.Ordinal) || !RealisationId.TryParse(text[..^Ending.Length], out var id)
            || id.Derivation is not null != isTrace)
            throw Bad(
                "The URL of a realisation is 'realisations/sha256:<64 hex digits>!<output>.doi' or " +
                "'build-trace-v2/<hash-name.drv>/<output>.doi'.");
        var key = ObjectKey.Realisation(id);
        var content = (await TextBody.ReadAsync(http, MaxJson, DocumentBytes)).ToArray();
        using var json = ParseJson(content);
        // Newer versions put the realisation into "value", beside its "key".
        var path = TextOf(json.RootElement, "outPath") ?? (json.RootElement.TryGetProperty("value", out var value)
            ? TextOf(value, "outPath") : null);
        if (!StorePath.TryParse(path, out var output))
            throw Bad("The realisation does not say which store path it is about (outPath).");
        await KeepAsync(http, cache, parts, new NixExtra(key, NixExtraKind.Realisation, output.Hash, null, content));
    }

    private static async Task DebugInfoAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        if (!ObjectKey.TryParse($"debuginfo/{http.GetRouteValue("id")}", out var key))
            throw Bad("The URL of debug info is 'debuginfo/' with a build id.");
        var content = (await TextBody.ReadAsync(http, MaxJson, DocumentBytes)).ToArray();
        using var json = ParseJson(content);
        if (TextOf(json.RootElement, "archive") is not { } archive || !NarFileName.TryParse(archive[(archive.LastIndexOf('/') + 1)..],
            out var file))
            throw Bad("The debug info does not say which NAR it is in (archive).");
        await KeepAsync(http, cache, parts, new NixExtra(key, NixExtraKind.DebugInfo, null, file.FileHash, content));
    }

    // Our nix-cache-info stays. A client may want another one in all but the store directory.
    private static async Task CacheInfoAsync(HttpContext http, CacheName cache, GatewayParts parts)
    {
        var lines = Encoding.UTF8.GetString((await TextBody.ReadAsync(http, MaxJson, DocumentBytes)).Sequence).Split('\n');
        var storeDir = lines.FirstOrDefault(l => l.StartsWith("StoreDir:", StringComparison.Ordinal))?["StoreDir:".Length..].Trim();
        if (storeDir is not null && storeDir != CacheInfos.StoreDir)
            throw Bad($"This cache holds paths of {CacheInfos.StoreDir}, and the client's store is {storeDir}.");
        CacheInfos.Describe(parts, cache);
        Accepted(http, StatusCodes.Status200OK);
    }

    private static async Task KeepAsync(HttpContext http, CacheName cache, GatewayParts parts, NixExtra extra)
    {
        await parts.NixCopy.KeepAsync(cache, http.Credential().Caller, extra, parts.CommitPatience, http.RequestAborted);
        Accepted(http);
    }

    private static StorePathHash Hash(HttpContext http) => StorePathHash.TryParse((string)http.GetRouteValue("hash")!, out var hash)
        ? hash
        : throw Bad("The name begins with the 32 characters of a store path's hash.");

    private static JsonDocument ParseJson(byte[] content)
    {
        try
        {
            var json = JsonDocument.Parse(content);
            return json.RootElement.ValueKind == JsonValueKind.Object ? json : throw Bad("The body is JSON, but no object.");
        }
        catch (JsonException e)
        {
            throw TextBody.NoJson(e);
        }
    }

    private static string? TextOf(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString() : null;

    private static void Accepted(HttpContext http, int status = StatusCodes.Status201Created)
    {
        http.Response.StatusCode = status;
        http.Response.ContentLength = 0;
    }

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);
}
