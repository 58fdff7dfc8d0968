using System.Buffers;
using System.IO.Compression;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// Reads a body whole into memory, decoded, within the <see cref="BodyBudget"/>: what it becomes, and what its decompressor needs.
/// </summary>
internal static class BodyReader
{
    // What decompressing one body takes: of gzip 32 KiB and its tables; of brotli a window of 16 MiB; of bzip2 blocks of 900 kB, four
    // times.
    private const int GzipMemory = 128 << 10;
    private const int BrotliMemory = 17 << 20;
    private const int Bzip2Memory = 4 << 20;
    private const int XzMemory = 16 << 20;

    // Beside the window: the context's own buffers, and the stream's. A window is never reckoned smaller than 1 MiB.
    private const int ZstdMemory = 512 << 10;
    private const int SmallestWindowLog = 20;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>The request's part of the budget; given back when the request ends.</summary>
    public static BodyBudget.Lease LeaseBody(this HttpContext http)
    {
        // Who sends by a signed URL is known by the push that it is of.
        var client = http.Features.Get<KnownClient>()?.Id ?? $"push:{http.GetRouteValue("id")}";
        var lease = http.RequestServices.GetRequiredService<BodyBudget>().Open(client);
        http.Response.RegisterForDispose(lease);
        return lease;
    }

    /// <param name="body">As it was sent.</param>
    /// <param name="coding">Its Content-Encoding in lower case; one of <c>gzip</c>, <c>zstd</c>, <c>br</c>, <c>xz</c> and <c>bzip2</c>, or
    /// none.</param>
    /// <param name="limit">Of bytes, decoded.</param>
    /// <param name="lease">What the bytes are taken from.</param>
    /// <param name="cancellationToken">Ends the wait for them.</param>
    /// <exception cref="CacheProblemException">Larger than the limit, or others have all the memory.</exception>
    /// <exception cref="InvalidDataException">Not what its coding says.</exception>
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
    /// Reads the body as JSON. Its objects are reckoned as <paramref name="perByte"/> bytes for each byte of JSON until the request ends.
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
        // What follows the value, if it is not white space, is an error.
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

    // The first frame's window is reckoned and no later one may be larger: a client's frames are alike, and all but the largest level's are
    // small.
    private static int WindowLogOf(ReadOnlySpan<byte> start) => ZstdFrames.WindowOf(start) is { } window and <= 1ul << Zstd.BodyWindowLog
        ? Math.Max(SmallestWindowLog, BitOperations.Log2(BitOperations.RoundUpToPowerOf2(window)))
        : Zstd.BodyWindowLog;
}

/// <summary>A request whose sender has shown a credential.</summary>
/// <param name="Id">The credential's.</param>
internal sealed record KnownClient(string Id);
