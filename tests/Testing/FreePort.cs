using System.Net;
using System.Net.Sockets;

namespace OrleansCache.Testing;

/// <summary>Ports on loopback that nobody listens on.</summary>
/// <remarks>
/// From below the range that the kernel hands out to outgoing connections, at random: another process's
/// connection cannot take the port between our look and the server's bind.
/// </remarks>
public static class FreePort
{
    private const int Lowest = 12_000;
    private const int Highest = 32_000;

    public static int Next() => Range(1);

    /// <summary>The first of <paramref name="count"/> free ports in a row.</summary>
    public static int Range(int count)
    {
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            var first = Random.Shared.Next(Lowest, Highest - count);
            if (Enumerable.Range(first, count).All(IsFree))
                return first;
        }

        throw new InvalidOperationException($"No {count} free ports in a row between {Lowest} and {Highest}.");
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
