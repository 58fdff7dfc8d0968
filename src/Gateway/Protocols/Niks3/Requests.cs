using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Protocols.Niks3;

/// <summary>Reads the requests of these routes, and answers JSON.</summary>
internal static class Requests
{
    /// <summary>Keys and URLs stay unescaped, as nothing here is shown as HTML.</summary>
    public static Niks3Json Wire { get; } =
        new(new JsonSerializerOptions(Niks3Json.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private static readonly JsonSerializerOptions Read =
        new(Niks3Json.Default.Options) { TypeInfoResolver = Niks3Json.Default.WithAddedModifier(WireJson.RefuseNullItems) };

    /// <summary>For create and sign: some 190 bytes for each object of a closure.</summary>
    public const long LargeBody = 128 << 20;

    // A body is mostly keys, which become strings: two bytes a character.
    private const int ObjectBytes = 3;

    /// <summary>For all other requests: ten thousand parts are 700 kB.</summary>
    public const long SmallBody = 8 << 20;

    public static CacheName Cache(HttpContext http) => http.GetRouteValue("cache") is string name ? RouteHelpers.Cache(name)
        : CacheName.Default;

    /// <summary>Of whoever sends the request.</summary>
    public static INiks3Pushes Pushes(HttpContext http, GatewayParts parts) => parts.Niks3Pushes.As(http.Credential().Caller);

    public static PushId Push(HttpContext http) => PushId.TryParse(http.GetRouteValue("id") as string, out var id)
        ? id
        : throw new CacheProblemException(ProblemKind.UnknownPush, $"'{http.GetRouteValue("id")}' is not the id of a pending closure.");

    public static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);

    public static async Task<T> ReadAsync<T>(HttpContext http, long limit) where T : class
    {
        try
        {
            return await BodyReader.ReadJsonAsync(http.Request.Body, "", limit, ObjectBytes, (JsonTypeInfo<T>)Read.GetTypeInfo(typeof(T)),
                http.LeaseBody(), http.RequestAborted)
                ?? throw Bad("The body is JSON's null; an object is wanted.");
        }
        catch (JsonException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, WireJson.Explain(e), inner: e);
        }
    }

    public static async Task AnswerAsync<T>(HttpContext http, T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        http.Response.Headers.CacheControl = "no-store";
        await JsonSerializer.SerializeAsync(http.Response.Body, value, type, http.RequestAborted);
    }

    public static void NoContent(HttpContext http) => http.Response.StatusCode = StatusCodes.Status204NoContent;

    public static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
