using System.Globalization;
using System.Net;
using System.Net.Sockets;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Embedded;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Socket activation, as sd_listen_fds(3) describes: the listening socket that systemd holds, and keeps open while the server is restarted.
/// </summary>
internal static class SystemdSockets
{
    private const int First = 3;

    /// <summary>Null when none was passed on to this process.</summary>
    /// <exception cref="StartupException">It was passed what the server cannot listen on.</exception>
    public static Socket? Take()
    {
        var (pid, count) = (Environment.GetEnvironmentVariable("LISTEN_PID"), Environment.GetEnvironmentVariable("LISTEN_FDS"));
        // What we start is not to take it for its own.
        foreach (var name in (string[])["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"])
            Environment.SetEnvironmentVariable(name, null);
        if (pid != Environment.ProcessId.ToString(CultureInfo.InvariantCulture) || count is null or "0")
            return null;
        if (count != "1")
            throw new StartupException($"systemd passed on {count} sockets: one ListenStream= is wanted.");
        Posix.CloseOnExecution(First);
        var socket = new Socket(new SafeSocketHandle(First, ownsHandle: true));
        return socket is { SocketType: SocketType.Stream, LocalEndPoint: IPEndPoint }
            ? socket
            : throw new StartupException(
                "systemd passed on a socket that is not TCP: ListenStream= with a port, or an address and a port, is wanted.");
    }
}
