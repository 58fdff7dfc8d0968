using System.Globalization;
using System.Net.Sockets;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// Where the daemon of a queue is woken: the socket that the service manager passes, or its own. A connection says nothing but that
/// something may have come.
/// </summary>
internal sealed class WakeSocket : IDisposable
{
    private const int FirstDescriptor = 3, Backlog = 128;
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Socket? _socket;
    private readonly string? _made;

    private WakeSocket(Socket? socket, string? made) => (_socket, _made) = (socket, made);

    /// <summary>The service manager listens, and starts another daemon when it is needed.</summary>
    public bool IsPassed => _socket is not null && _made is null;

    /// <summary>Without a socket, as where somebody else has it, the daemon looks at the folder from time to time.</summary>
    public static WakeSocket Open(QueueFolder folder, Func<string, string?> environment)
    {
        if (environment("LISTEN_PID") == Environment.ProcessId.ToString(CultureInfo.InvariantCulture) && environment("LISTEN_FDS") == "1")
            return new WakeSocket(new Socket(new SafeSocketHandle(FirstDescriptor, ownsHandle: true)), null);
        // The service manager listens there.
        if (Wakeup.Send(folder.Socket))
            return new WakeSocket(null, null);
        try
        {
            File.Delete(folder.Socket);
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Bind(new UnixDomainSocketEndPoint(folder.Socket));
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(folder.Socket, Own);
            socket.Listen(Backlog);
            return new WakeSocket(socket, folder.Socket);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            Console.Error.WriteLine($"{folder.Socket} cannot be listened on: {Text.Printable(e.Message)}; the folder is looked at instead");
            return new WakeSocket(null, null);
        }
    }

    /// <summary>Calls for each connection, until it is cancelled.</summary>
    public async Task RunAsync(Action wake, CancellationToken cancellationToken)
    {
        while (_socket is not null && !cancellationToken.IsCancellationRequested)
        {
            try
            {
                using var connection = await _socket.AcceptAsync(cancellationToken);
            }
            catch (SocketException)
            {
                // Whoever connected has gone. Descriptors may be short for a moment.
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
            }

            wake();
        }
    }

    public void Dispose()
    {
        _socket?.Dispose();
        if (_made is not null)
            File.Delete(_made);
    }
}
