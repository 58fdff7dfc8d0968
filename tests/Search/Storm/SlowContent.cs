using System.Net;

namespace OrleansCache.Storm;

/// <summary>A body whose last byte comes late.</summary>
internal sealed class SlowContent(byte[] body, TimeSpan late) : HttpContent
{
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        await stream.WriteAsync(body);
        await stream.FlushAsync();
        // Not a wait for something: how long it is open is the input.
        await Task.Delay(late);
        await stream.WriteAsync(new byte[1]);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = body.Length + 1;
        return true;
    }
}
