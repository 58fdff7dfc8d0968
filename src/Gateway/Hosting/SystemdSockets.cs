using System.Globalization;
using System.Net;
using System.Net.Sockets;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Embedded;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// Socket activation, as sd_listen_fds(3) describes it: systemd holds the listening socket, and keeps it open while the server restarts.
/// </summary>
internal static class SystemdSockets
{
    private const int First = 3;

    /// <summary>Null when systemd passed no socket to this process.</summary>
    /// <exception cref="StartupException">The server cannot listen on what systemd passed.</exception>
    public static Socket? Take()
    {
        var (pid, count) = (Environment.GetEnvironmentVariable("LISTEN_PID"), Environment.GetEnvironmentVariable("LISTEN_FDS"));
        // Programs that we start must not take the socket for theirs.
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
