using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace OrleansCache.Gateway.Tests.Http;

/// <summary>Sends bytes as they are, for what no HTTP client would send.</summary>
internal static class RawHttp
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static Task<RawAnswer> SendAsync(Uri server, string request) => SendAsync(server, Encoding.Latin1.GetBytes(request), end: false);

    /// <summary>Reads until the first answer is whole or the server closes the connection.</summary>
    /// <param name="end">Say that nothing more will come, as a client that was cut off.</param>
    public static async Task<RawAnswer> SendAsync(Uri server, ReadOnlyMemory<byte> request, bool end)
    {
        using var limit = new CancellationTokenSource(Patience);
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(server.Host, server.Port, limit.Token);
        var stream = client.GetStream();
        var received = new MemoryStream();
        try
        {
            await stream.WriteAsync(request, limit.Token);
            if (end)
                client.Client.Shutdown(SocketShutdown.Send);
            var buffer = new byte[16 << 10];
            while (!IsWhole(received) && await stream.ReadAsync(buffer, limit.Token) is > 0 and var read)
                received.Write(buffer, 0, read);
        }
        catch (IOException)
        {
            // Cut off. What had come before counts.
        }

        return RawAnswer.Parse(Encoding.Latin1.GetString(received.GetBuffer(), 0, (int)received.Length));
    }

    private static bool IsWhole(MemoryStream received)
    {
        var text = Encoding.Latin1.GetString(received.GetBuffer(), 0, (int)received.Length);
        var head = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (head < 0)
            return false;
        var length = text.AsSpan(0, head).IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        if (length < 0)
            return text.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal) || text.StartsWith("HTTP/1.1 204", StringComparison.Ordinal)
                || text.StartsWith("HTTP/1.1 304", StringComparison.Ordinal);
        var digits = text.AsSpan(length + "Content-Length: ".Length);
        return text.Length - head - 4 >= int.Parse(digits[..digits.IndexOf('\r')], NumberStyles.None, CultureInfo.InvariantCulture);
    }
}

/// <param name="Status">0 when the connection ended without an answer.</param>
internal sealed record RawAnswer(int Status, string Text)
{
    public static RawAnswer Parse(string text) => new(
        text.StartsWith("HTTP/1.1 ", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out var status) ? status : 0, text);
}
