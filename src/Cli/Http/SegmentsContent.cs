using System.Net;

namespace OrleansCache.Cli.Http;

/// <summary>A request body of some first bytes and pooled segments. It can be sent again, and does not dispose of the buffer.</summary>
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
