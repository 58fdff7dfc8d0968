using System.Collections;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Metadata;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// A request's JSON, plain or with <c>Content-Encoding</c> gzip or zstd, of at most <see cref="RequestLimits.JsonBytes"/> once
/// decompressed.
/// </summary>
internal sealed class JsonBody<T> : IEndpointParameterMetadataProvider where T : class
{
    // A body is mostly hashes and paths, which take less as values; lists grow by doubling.
    private const int ObjectBytes = 1;

    private JsonBody(T value) => Value = value;

    public T Value { get; }

    public static void PopulateMetadata(ParameterInfo parameter, EndpointBuilder builder) =>
        builder.Metadata.Add(new AcceptsMetadata(["application/json"], typeof(T)));

    public static async ValueTask<JsonBody<T>> BindAsync(HttpContext http)
    {
        var limit = http.RequestServices.GetRequiredService<RequestLimits>().JsonBytes;
        var coding = http.Request.Headers.ContentEncoding.ToString();
        if (coding.ToLowerInvariant() is not ("" or "identity" or ContentCoding.Gzip or ContentCoding.Zstd))
            throw new BadHttpRequestException($"The body's Content-Encoding is '{coding}': send gzip, zstd or none.",
                StatusCodes.Status400BadRequest);
        try
        {
            var value = await ReadAsync(http.Request.Body, coding.ToLowerInvariant(), limit, http.LeaseBody(), http.RequestAborted);
            return new JsonBody<T>(value ?? throw new CacheProblemException(ProblemKind.BadRequest,
                "The body is JSON's null; an object is wanted."));
        }
        catch (JsonException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, WireJson.Explain(e), inner: e);
        }
        catch (InvalidDataException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, $"The body is not whole and valid {coding}: {e.Message}", inner: e);
        }
    }

    internal static ValueTask<T?> ReadAsync(Stream body, string coding, long limit, BodyBudget.Lease lease,
        CancellationToken cancellationToken) =>
        BodyReader.ReadJsonAsync(body, coding, limit, ObjectBytes, WireJson.Of<T>(), lease, cancellationToken);
}

/// <summary>
/// The wire's JSON as this server reads it. A null that the contract does not allow, as a member or in a list, is an error here, not a
/// fault later.
/// </summary>
internal static class WireJson
{
    public static JsonSerializerOptions Strict { get; } = new(ProtocolJson.Default.Options)
    {
        TypeInfoResolver = ProtocolJson.Default.WithAddedModifier(RefuseNullItems),
        RespectNullableAnnotations = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // Never shown as HTML; quotes stay quotes.
    };

    public static JsonTypeInfo<T> Of<T>() => (JsonTypeInfo<T>)Strict.GetTypeInfo(typeof(T));

    /// <summary>Refuses null in a list: the serializer checks members only, whatever the type of an item says.</summary>
    public static void RefuseNullItems(JsonTypeInfo type)
    {
        if (type is not { Kind: JsonTypeInfoKind.Enumerable, ElementType.IsValueType: false })
            return;
        type.OnDeserialized = list =>
        {
            foreach (var item in (IEnumerable)list)
            {
                if (item is null)
                    throw new JsonException("null is not allowed in a list");
            }
        };
    }

    /// <summary>What is wrong with the body, and where.</summary>
    public static string Explain(JsonException e)
    {
        const string Missing = "missing required properties including: ";
        var text = e.Message;
        var path = text.IndexOf(" Path: ", StringComparison.Ordinal);
        if (path >= 0)
            text = text[..path];
        // The serializer's message names .NET types, which mean nothing to a client.
        var missing = text.IndexOf(Missing, StringComparison.Ordinal);
        if (missing >= 0)
            text = "members are missing: " + text[(missing + Missing.Length)..];
        else if (text.Contains("could not be converted to", StringComparison.Ordinal))
            text = "the value is of another type than this member has";
        else if (text.Contains("annotations", StringComparison.Ordinal) || text.Contains("doesn't allow null", StringComparison.Ordinal))
            text = "null is not allowed";
        var place = e.Path is null or "" ? "" : $" at {e.Path}";
        var line = e.LineNumber is { } number ? $" (line {number + 1}, byte {e.BytePositionInLine + 1})" : "";
        return $"The body is not the JSON that this route reads{place}{line}: {text.TrimEnd('.')}.";
    }
}
