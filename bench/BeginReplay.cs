using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansCache.Bench;

/// <summary>
/// Sends a recorded <c>begin</c> again, each time under a new operation id, and measures from the last byte sent to the last received.
/// </summary>
internal static class BeginReplay
{
    /// <summary>Milliseconds of each. Loopback's part is in them, so the server's own time is less.</summary>
    public static async Task<double[]> RunAsync(byte[] request, IPEndPoint server, int times)
    {
        var head = request.AsSpan().IndexOf("\r\n\r\n"u8);
        var text = Encoding.ASCII.GetString(request, 0, head);
        const string Name = "Idempotency-Key: ";
        var at = text.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            throw new BenchException("the recorded begin has no Idempotency-Key");
        var length = text.IndexOf('\r', at) is var end and > 0 ? end - at - Name.Length : text.Length - at - Name.Length;

        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(server);
        var stream = client.GetStream();
        var took = new double[times];
        for (var i = 0; i < times; i++)
        {
            var again = (byte[])request.Clone();
            Encoding.ASCII.GetBytes(Guid.NewGuid().ToString("N").PadRight(length, '0').AsSpan(0, length), again.AsSpan(at + Name.Length));
            var begun = Stopwatch.GetTimestamp();
            await stream.WriteAsync(again);
            var status = await ReadAnswerAsync(stream);
            took[i] = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
            if (status != "201")
                throw new BenchException($"a begin that was sent again was answered with {status}");
        }

        return took;
    }

    private static async Task<string> ReadAnswerAsync(NetworkStream stream)
    {
        var all = new MemoryStream();
        var buffer = new byte[64 << 10];
        while (true)
        {
            var read = await stream.ReadAsync(buffer);
            if (read == 0)
                throw new BenchException("the server closed the connection");
            all.Write(buffer, 0, read);
            var soFar = all.GetBuffer().AsSpan(0, (int)all.Length);
            var head = soFar.IndexOf("\r\n\r\n"u8);
            if (head < 0)
                continue;
            var text = Encoding.ASCII.GetString(soFar[..head]);
            const string Name = "Content-Length: ";
            var at = text.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
            var whole = at < 0
                ? soFar.EndsWith("\r\n0\r\n\r\n"u8)
                : soFar.Length - head - 4 >= int.Parse(text[(at + Name.Length)..].Split('\r')[0],
                    System.Globalization.CultureInfo.InvariantCulture);
            if (whole)
                return text.Split(' ')[1];
        }
    }
}
