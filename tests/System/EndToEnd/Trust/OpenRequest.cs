using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>A request whose client sends and reads as it likes: on a socket of its own.</summary>
internal sealed class OpenRequest : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly byte[] _buffer = new byte[64 << 10];

    private OpenRequest()
    {
    }

    /// <summary>The server has said something.</summary>
    public bool IsAnswered => _socket.Available > 0 || _socket.Poll(0, SelectMode.SelectRead);

    /// <summary>Sends a head and what there is of a body.</summary>
    public static async Task<OpenRequest> SendAsync(Uri url, string head, byte[] body)
    {
        var request = new OpenRequest();
        await request._socket.ConnectAsync(IPAddress.Loopback, url.Port);
        await request._socket.SendAsync(Encoding.ASCII.GetBytes($"{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        await request._socket.SendAsync(body);
        return request;
    }

    /// <summary>More of the body. False: the server wants none.</summary>
    public async Task<bool> SendAsync(byte[] more)
    {
        try
        {
            return await _socket.SendAsync(more) == more.Length;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Reads until so many bytes have come, or the end. How many came.</summary>
    public async Task<long> ReadAsync(long most)
    {
        var count = 0L;
        try
        {
            while (count < most && await _socket.ReceiveAsync(_buffer) is > 0 and var read)
                count += read;
        }
        catch (SocketException)
        {
            // It was cut off.
        }

        return count;
    }

    public void Dispose() => _socket.Dispose();
}
