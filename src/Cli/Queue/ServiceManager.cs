using System.Net.Sockets;
using System.Text;

namespace OrleansCache.Cli.Queue;

/// <summary>What a service tells the service manager that has started it.</summary>
internal static class ServiceManager
{
    /// <summary>Says that the daemon is ready; nobody need listen.</summary>
    public static void TellReady(Func<string, string?> environment)
    {
        if (environment("NOTIFY_SOCKET") is not { Length: > 0 } address)
            return;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            // An abstract name begins with @ there, and with a zero here.
            socket.SendTo(Encoding.ASCII.GetBytes("READY=1"),
                new UnixDomainSocketEndPoint(address[0] == '@' ? $"\0{address[1..]}" : address));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            Console.Error.WriteLine($"the service manager cannot be told at {address}: {e.Message}");
        }
    }
}
