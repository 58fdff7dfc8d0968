using System.Buffers;
using System.Collections;
using System.IO.Compression;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Metadata;
using OrleansCache.Core;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Nix;
using OrleansCache.Protocol;

namespace OrleansCache.Gateway.V1;

/// <summary>A request's JSON, plain or with <c>Content-Encoding</c> gzip or zstd, of at most <see cref="RequestLimits.JsonBytes"/> once decompressed.</summary>
internal sealed class JsonBody<T> : IEndpointParameterMetadataProvider where T : class
{
    private const int FirstBytes = 64 << 10;
    private const int MostBytesAtOnce = 2 << 20;

    private JsonBody(T value) => Value = value;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    public T Value { get; }

    public static void PopulateMetadata(ParameterInfo parameter, EndpointBuilder builder) =>
        builder.Metadata.Add(new AcceptsMetadata(["application/json"], typeof(T)));

    public static async ValueTask<JsonBody<T>> BindAsync(HttpContext http)
    {
        var limit = http.RequestServices.GetRequiredService<GatewayParts>().Limits.JsonBytes;
        var coding = http.Request.Headers.ContentEncoding.ToString();
        await using Stream? decoder = coding.ToLowerInvariant() switch
        {
            "" or "identity" => null,
            ContentCoding.Gzip => new GZipStream(http.Request.Body, CompressionMode.Decompress, leaveOpen: true),
            ContentCoding.Zstd => new ZstdDecompressStream(http.Request.Body, leaveOpen: true),
            _ => throw new BadHttpRequestException($"The body's Content-Encoding is '{coding}': send gzip, zstd or none.", StatusCodes.Status400BadRequest),
        };
        try
        {
            var body = new BoundedStream(decoder ?? http.Request.Body, limit);
            var value = await ReadAsync(body, http.RequestAborted);
            return new JsonBody<T>(value ?? throw new CacheProblemException(ProblemKind.BadRequest, "The body is JSON's null; an object is wanted."));
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

    // In one piece where it fits, as a begin of 2,000 paths does: a reader that can stop at any place does more for each value. What is larger is never whole in memory.
    internal static async ValueTask<T?> ReadAsync(Stream body, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(FirstBytes);
        var count = 0;
        try
        {
            while (await body.ReadAsync(buffer.AsMemory(count), cancel) is > 0 and var read)
            {
                count += read;
                if (count < buffer.Length)
                    continue;
                if (count >= MostBytesAtOnce)
                    return await JsonSerializer.DeserializeAsync(new ContinuedStream(buffer.AsMemory(0, count), body), WireJson.Of<T>(), cancel);
                var larger = ArrayPool<byte>.Shared.Rent(count * 2);
                buffer.CopyTo(larger, 0);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = larger;
            }

            var json = buffer.AsSpan(0, count);
            return JsonSerializer.Deserialize(json.StartsWith(ByteOrderMark) ? json[ByteOrderMark.Length..] : json, WireJson.Of<T>());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

/// <summary>The wire's JSON as this server reads it: a null where the contract has no null, as a member or in a list, is an error, not a fault later.</summary>
internal static class WireJson
{
    public static JsonSerializerOptions Strict { get; } = new(ProtocolJson.Default.Options)
    {
        TypeInfoResolver = ProtocolJson.Default.WithAddedModifier(RefuseNullItems),
        RespectNullableAnnotations = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // Never shown as HTML; quotes stay quotes.
    };

    public static JsonTypeInfo<T> Of<T>() => (JsonTypeInfo<T>)Strict.GetTypeInfo(typeof(T));

    /// <summary>The serializer looks at members only: what is in a list may be null, whatever its type says.</summary>
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
        // The serializer speaks of .NET types, which mean nothing to a client.
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
