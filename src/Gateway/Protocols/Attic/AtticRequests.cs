using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Protocols.Attic;

/// <summary>Reads the requests of these routes, and answers JSON.</summary>
internal static class AtticRequests
{
    private const string InfoHeader = "X-Attic-Nar-Info";
    private const string PreambleHeader = "X-Attic-Nar-Info-Preamble-Size";

    // 20,000 references of the longest names.
    private const int MaxPreamble = 8 << 20;

    // Hashes and base names become strings: two bytes a character.
    private const int ObjectBytes = 3;

    private static readonly JsonSerializerOptions Read =
        new(AtticJson.Default.Options) { TypeInfoResolver = AtticJson.Default.WithAddedModifier(WireJson.RefuseNullItems) };

    /// <summary>Keys and URLs stay unescaped, as nothing here is shown as HTML.</summary>
    public static AtticJson Wire { get; } =
        new(new JsonSerializerOptions(AtticJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public static async Task<MissingPathsRequest> ReadMissingAsync(HttpContext http, long limit)
    {
        RequirePlain(http);
        try
        {
            return await BodyReader.ReadJsonAsync(http.Request.Body, "", limit, ObjectBytes, TypeOf<MissingPathsRequest>(),
                http.LeaseBody(), http.RequestAborted) ?? throw Bad("The body is JSON's null; an object is wanted.");
        }
        catch (JsonException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, WireJson.Explain(e), inner: e);
        }
    }

    /// <summary>The info of an upload: a header, or the first bytes of the body, whose rest is the NAR.</summary>
    public static async Task<PathInfo> ReadInfoAsync(HttpContext http)
    {
        RequirePlain(http);
        var headers = http.Request.Headers;
        if (headers.TryGetValue(PreambleHeader, out var sent))
        {
            if (!int.TryParse(sent.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var size) || size is 0 or > MaxPreamble)
                throw Bad($"{PreambleHeader} is '{sent}': a number of bytes from 1 to {MaxPreamble} is wanted.");
            var lease = http.LeaseBody();
            await lease.TakeAsync((long)size * (ObjectBytes + 1), http.RequestAborted);
            var preamble = new byte[size];
            var read = await http.Request.Body.ReadAtLeastAsync(preamble, size, throwOnEndOfStream: false, http.RequestAborted);
            if (read < size)
                throw Bad($"The body ended after {read} of the {size} bytes of the path's info.");
            lease.Settle((long)size * ObjectBytes);
            return Parse(preamble);
        }

        return headers.TryGetValue(InfoHeader, out var text) ? Parse(Encoding.UTF8.GetBytes(text.ToString()))
            : throw Bad($"The path's info is missing: send it as the header {InfoHeader}, or at the beginning of the body with " +
                $"{PreambleHeader}.");
    }

    /// <summary>The path that an upload declares.</summary>
    public static AtticPath PathOf(PathInfo info)
    {
        if (!StorePath.TryParse(info.StorePath, out var path) || !info.StorePath!.StartsWith('/'))
            throw Bad($"store_path is '{info.StorePath}': a path of {StorePath.StoreDir} is wanted, which is the only store here.");
        if (info.StorePathHash != path.Hash.ToString())
            throw Bad($"store_path_hash is '{info.StorePathHash}', and store_path is {path}.");
        if (!Sha256Hash.TryParse(info.NarHash, out var hash))
            throw Bad($"nar_hash is '{info.NarHash}': sha256: and 64 hexadecimal digits are wanted.");
        if (info.NarSize is not (> 0 and <= NarInfo.MaxNarSize) || info.NarSize is not { } size)
            throw Bad($"nar_size is {info.NarSize}: a number of bytes from 1 to {NarInfo.MaxNarSize} is wanted.");
        return new AtticPath
        {
            Path = path,
            NarHash = hash,
            NarSize = (long)size,
            References = [.. (info.References ?? throw Bad("references are missing: a list of base names, which may be empty."))
                .Select(r => PathOf("references", r))],
            Deriver = info.Deriver is null or "" or "unknown-deriver" ? null : PathOf("deriver", info.Deriver),
            Ca = info.Ca is null or "" ? null : ContentAddress.TryParse(info.Ca, out var ca) ? ca
                : throw Bad($"ca is '{info.Ca}', which is no content address: {ContentAddress.Rule}."),
            Signatures = info.Sigs ?? [],
        };
    }

    public static StorePathHash HashOf(string text) => StorePathHash.TryParse(text, out var hash) ? hash
        : throw Bad($"'{text}' is not the hash of a store path: 32 characters of nix32 are wanted.");

    public static Task AnswerAsync<T>(HttpContext http, T value, JsonTypeInfo<T> type)
    {
        http.Response.ContentType = "application/json";
        http.Response.Headers.CacheControl = "no-store";
        return JsonSerializer.SerializeAsync(http.Response.Body, value, type, http.RequestAborted);
    }

    public static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);

    private static StorePath PathOf(string member, string text) => StorePath.TryParse(text, out var path) ? path
        : throw Bad($"{member} has '{text}', which is not a store path.");

    private static PathInfo Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, TypeOf<PathInfo>())
                ?? throw Bad("The path's info is JSON's null; an object is wanted.");
        }
        catch (JsonException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest,
                WireJson.Explain(e).Replace("The body", "The path's info", StringComparison.Ordinal), inner: e);
        }
    }

    // No version of the client compresses.
    private static void RequirePlain(HttpContext http)
    {
        if (http.Request.Headers.ContentEncoding.ToString() is not ("" or "identity") and var coding)
            throw Bad($"The body's Content-Encoding is '{coding}': send it as it is.");
    }

    private static JsonTypeInfo<T> TypeOf<T>() => (JsonTypeInfo<T>)Read.GetTypeInfo(typeof(T));
}
