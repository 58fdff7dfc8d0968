using System.Net;
using System.Net.Sockets;

namespace OrleansCache.Testing;

/// <summary>
/// A connection to far away: everything arrives later, and round trips are counted: what is sent after something was received.
/// </summary>
public sealed class DelayProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ended = new();
    private readonly EndPoint _target;
    private readonly Task _accepting;
    private long _roundTrips;

    /// <param name="target">A Unix socket or an address.</param>
    public DelayProxy(EndPoint target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Of a round trip; half of it each way.</summary>
    public TimeSpan Delay { get; set; }

    public long RoundTrips => Interlocked.Read(ref _roundTrips);

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Stop();
        await _accepting;
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
                connections.Add(ConnectAsync(await _listener.AcceptSocketAsync(_ended.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ConnectAsync(Socket near)
    {
        using var far = new Socket(_target.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        using (near)
        {
            var connection = new Connection();
            try
            {
                await far.ConnectAsync(_target, _ended.Token);
                await Task.WhenAny(PumpAsync(near, far, sends: true, connection), PumpAsync(far, near, sends: false, connection));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
                // Both ends notice.
            }
        }
    }

    // What comes while an earlier piece is on its way goes with the next: bandwidth is not what is scarce.
    private async Task PumpAsync(Socket from, Socket to, bool sends, Connection connection)
    {
        var buffer = new byte[1 << 20];
        try
        {
            while (await from.ReceiveAsync(buffer, _ended.Token) is > 0 and var read)
            {
                if (connection.Turn(sends))
                    Interlocked.Increment(ref _roundTrips);
                if (Delay > TimeSpan.Zero)
                    await Task.Delay(Delay / 2, _ended.Token);
                for (var sent = 0; sent < read;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), _ended.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The other direction ends with this one.
        }
    }

    private sealed class Connection
    {
        // 1 after something was sent, 0 after something was received.
        private int _sending;

        /// <summary>True for the first that is sent after something was received.</summary>
        public bool Turn(bool sends) => Interlocked.Exchange(ref _sending, sends ? 1 : 0) == 0 && sends;
    }
}
