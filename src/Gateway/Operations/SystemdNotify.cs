using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace OrleansCache.Gateway.Operations;

/// <summary>Reports the state of the service to systemd, as sd_notify(3) describes; does nothing where systemd did not ask.</summary>
internal sealed class SystemdNotify : IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _manager;
    private readonly TimeSpan? _watchdog;
    private Timer? _timer;

    private SystemdNotify(Socket? socket, UnixDomainSocketEndPoint? manager, TimeSpan? watchdog) =>
        (_socket, _manager, _watchdog) = (socket, manager, watchdog);

    /// <summary>
    /// Reads what systemd asks for, and removes it from the environment: PostgreSQL, which we start, knows the same variables.
    /// </summary>
    public static SystemdNotify FromEnvironment()
    {
        var address = Take("NOTIFY_SOCKET");
        var watchdog = Take("WATCHDOG_USEC");
        var watched = Take("WATCHDOG_PID");
        if (address is not { Length: > 1 } || address[0] is not ('/' or '@'))
            return new SystemdNotify(null, null, null);
        var isOurs = watched is null || watched == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        return new SystemdNotify(
            new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified),
            // '@' stands for the zero byte of an abstract socket's name.
            new UnixDomainSocketEndPoint(address[0] == '@' ? "\0" + address[1..] : address),
            isOurs && long.TryParse(watchdog, CultureInfo.InvariantCulture, out var microseconds)
                ? TimeSpan.FromMicroseconds(microseconds) : null);
    }

    /// <summary>Reports that the server takes requests. From now on the thread pool feeds the watchdog, where there is one.</summary>
    public void Ready(string status)
    {
        Send($"READY=1\nSTATUS={status}");
        if (_watchdog is { } limit)
            _timer = new Timer(_ => Send("WATCHDOG=1"), null, TimeSpan.Zero, limit / 3);
    }

    public void Stopping(string status) => Send($"STOPPING=1\nSTATUS={status}");

    public void Dispose()
    {
        _timer?.Dispose();
        _socket?.Dispose();
    }

    private void Send(string state)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(state), _manager!);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A manager that does not listen cannot be helped.
        }
    }

    private static string? Take(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, null);
        return value;
    }
}
