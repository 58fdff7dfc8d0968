using System.Buffers;
using System.IO.Compression;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// Reads a body whole into memory, decoded. Its bytes, and its decompressor's memory, come from the <see cref="BodyBudget"/>.
/// </summary>
internal static class BodyReader
{
    // Memory to decompress one body: gzip needs 32 KiB and its tables; brotli a window of 16 MiB; bzip2 four times its blocks of 900 kB.
    private const int GzipMemory = 128 << 10;
    private const int BrotliMemory = 17 << 20;
    private const int Bzip2Memory = 4 << 20;
    private const int XzMemory = 16 << 20;

    // Beside the window: the buffers of the context and of the stream. A window counts as at least 1 MiB.
    private const int ZstdMemory = 512 << 10;
    private const int SmallestWindowLog = 20;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>The request's share of the budget; given back when the request ends.</summary>
    public static BodyBudget.Lease LeaseBody(this HttpContext http)
    {
        // A signed URL names no credential, so its push counts as the client.
        var client = http.Features.Get<KnownClient>()?.Id ?? $"push:{http.GetRouteValue("id")}";
        var lease = http.RequestServices.GetRequiredService<BodyBudget>().Open(client);
        http.Response.RegisterForDispose(lease);
        return lease;
    }

    /// <param name="body">The body as it was sent.</param>
    /// <param name="coding">Its Content-Encoding in lower case; one of <c>gzip</c>, <c>zstd</c>, <c>br</c>, <c>xz</c> and <c>bzip2</c>, or
    /// none.</param>
    /// <param name="limit">The most bytes, decoded.</param>
    /// <param name="lease">The share of the budget that the bytes are taken from.</param>
    /// <param name="cancellationToken">Ends the wait for memory.</param>
    /// <exception cref="CacheProblemException">The body exceeds the limit, or other bodies hold all the memory.</exception>
    /// <exception cref="InvalidDataException">The body is not in the declared coding.</exception>
    public static async ValueTask<BodyBytes> ReadAsync(Stream body, string coding, long limit, BodyBudget.Lease lease,
        CancellationToken cancellationToken)
    {
        var (memory, maxWindowLog) = (MemoryOf(coding), 0);
        if (coding == ContentCoding.Zstd)
        {
            var start = new byte[ZstdFrames.MaxHeaderLength];
            var read = await body.ReadAtLeastAsync(start, start.Length, throwOnEndOfStream: false, cancellationToken);
            body = new ContinuedStream(start.AsMemory(0, read), body);
            maxWindowLog = WindowLogOf(start.AsSpan(0, read));
            memory = (1 << maxWindowLog) + ZstdMemory;
        }

        if (memory > 0)
            await lease.TakeAsync(memory, cancellationToken);
        BodyBytes bytes;
        await using (var decoder = Decoder(body, coding, maxWindowLog))
            bytes = await BodyBytes.ReadAsync(new BoundedStream(decoder ?? body, limit), lease, cancellationToken);
        if (memory > 0)
            lease.Give(memory);
        return bytes;
    }

    /// <summary>
    /// Reads the body as JSON. Until the request ends, its objects count as <paramref name="perByte"/> bytes for each byte of JSON.
    /// </summary>
    /// <exception cref="JsonException">It is not that JSON.</exception>
    public static async ValueTask<T?> ReadJsonAsync<T>(Stream body, string coding, long limit, int perByte, JsonTypeInfo<T> type,
        BodyBudget.Lease lease, CancellationToken cancellationToken)
    {
        using var bytes = await ReadAsync(body, coding, limit, lease, cancellationToken);
        var kept = bytes.Length * perByte;
        await lease.TakeAsync(kept, cancellationToken);
        var value = Parse(bytes.StartsWith(ByteOrderMark) ? bytes.Sequence.Slice(ByteOrderMark.Length) : bytes.Sequence, type);
        lease.Settle(kept);
        return value;
    }

    private static T? Parse<T>(ReadOnlySequence<byte> json, JsonTypeInfo<T> type)
    {
        if (json.IsSingleSegment)
            return JsonSerializer.Deserialize(json.FirstSpan, type);
        var reader = new Utf8JsonReader(json);
        var value = JsonSerializer.Deserialize(ref reader, type);
        // Anything but white space after the value is an error.
        reader.Read();
        return value;
    }

    private static Stream? Decoder(Stream body, string coding, int maxWindowLog) => coding switch
    {
        ContentCoding.Gzip => new GZipStream(body, CompressionMode.Decompress, leaveOpen: true),
        ContentCoding.Zstd => new ZstdDecompressStream(body, leaveOpen: true, maxWindowLog),
        "br" => new BrotliStream(body, CompressionMode.Decompress, leaveOpen: true),
        "xz" => new XzDecompressStream(body, XzMemory),
        "bzip2" => new Bzip2DecompressStream(body),
        _ => null,
    };

    private static int MemoryOf(string coding) => coding switch
    {
        ContentCoding.Gzip => GzipMemory,
        "br" => BrotliMemory,
        "xz" => XzMemory,
        "bzip2" => Bzip2Memory,
        _ => 0,
    };

    // The first frame's window is charged, and no later frame may have a larger one. A client's frames are alike, and all levels but the
    // highest have small windows.
    private static int WindowLogOf(ReadOnlySpan<byte> start) => ZstdFrames.WindowOf(start) is { } window and <= 1ul << Zstd.BodyWindowLog
        ? Math.Max(SmallestWindowLog, BitOperations.Log2(BitOperations.RoundUpToPowerOf2(window)))
        : Zstd.BodyWindowLog;
}

/// <summary>The feature of a request whose sender has shown a credential.</summary>
/// <param name="Id">The credential's.</param>
internal sealed record KnownClient(string Id);
