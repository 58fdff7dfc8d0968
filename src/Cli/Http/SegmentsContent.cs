using System.Net;

namespace OrleansCache.Cli.Http;

/// <summary>
/// A request body of pooled segments, after some bytes that go before them; can be sent again, and leaves the buffer to its owner.
/// </summary>
internal sealed class SegmentsContent(SegmentedBuffer buffer, ReadOnlyMemory<byte> first = default) : HttpContent
{
    protected override bool TryComputeLength(out long length)
    {
        length = first.Length + buffer.Length;
        return true;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (!first.IsEmpty)
            await stream.WriteAsync(first, cancellationToken);
        foreach (var segment in buffer.Segments())
            await stream.WriteAsync(segment, cancellationToken);
    }
}
