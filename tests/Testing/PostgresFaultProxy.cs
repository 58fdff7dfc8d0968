using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Npgsql;

namespace OrleansCache.Testing;

/// <summary>What a statement is answered instead of what PostgreSQL would answer.</summary>
/// <param name="SqlState">Null: PostgreSQL does it, and the connection breaks before its answer arrives.</param>
/// <param name="EndsSession">The error is FATAL, and the connection is closed.</param>
public sealed record PostgresFault(string? SqlState, bool EndsSession = false);

/// <summary>
/// Stands between Npgsql and a real PostgreSQL, speaks enough of its protocol to tell statements apart, and answers one of them with a
/// fault. All else passes unchanged.
/// </summary>
public sealed class PostgresFaultProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ended = new();
    private readonly EndPoint _target;
    private readonly Task _accepting;
    private readonly Lock _lock = new();
    private readonly List<string> _statements = []; // Under _lock, as is all below.
    private PostgresFault? _fault;
    private int _at;

    /// <param name="connectionString">Of the real one.</param>
    public PostgresFaultProxy(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        _target = new UnixDomainSocketEndPoint($"{settings.Host}/.s.PGSQL.{settings.Port}");
        _listener.Start();
        (settings.Host, settings.Port, settings.SslMode, settings.GssEncryptionMode) = ("127.0.0.1",
            ((IPEndPoint)_listener.LocalEndpoint).Port, SslMode.Disable, GssEncryptionMode.Disable);
        ConnectionString = settings.ConnectionString;
        _accepting = AcceptAsync();
    }

    /// <summary>The version that it calls the server's; null: the server's own.</summary>
    public string? Version { get; init; }

    /// <summary>The way through this proxy.</summary>
    public string ConnectionString { get; }

    /// <summary>The statements since the last <see cref="Arm"/>, in order.</summary>
    public IReadOnlyList<string> Statements
    {
        get
        {
            lock (_lock)
                return [.. _statements];
        }
    }

    /// <summary>
    /// Answers the statement that comes as number <paramref name="at"/> from now on, from 0, with a fault, once; null: no statement.
    /// </summary>
    public void Arm(int at, PostgresFault? fault)
    {
        lock (_lock)
        {
            _statements.Clear();
            (_at, _fault) = (at, fault);
        }
    }

    /// <summary>Whether there is no fault that is still to be met.</summary>
    public bool IsMet
    {
        get
        {
            lock (_lock)
                return _fault is null;
        }
    }

    /// <summary>False when the fault has not been met. No more is answered with it.</summary>
    public bool Disarm()
    {
        lock (_lock)
        {
            var met = _fault is null;
            _fault = null;
            return met;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Stop();
        await _accepting;
        _ended.Dispose();
    }

    private PostgresFault? Meet(string sql)
    {
        lock (_lock)
        {
            _statements.Add(sql);
            if (_fault is null || _statements.Count - 1 != _at)
                return null;
            var fault = _fault;
            _fault = null;
            return fault;
        }
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                var near = await _listener.AcceptSocketAsync(_ended.Token);
                near.NoDelay = true; // Messages go one by one.
                connections.Add(Task.Run(async () =>
                {
                    using var session = new Session(this, near, _target);
                    await session.RunAsync(_ended.Token);
                }));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    /// <summary>One connection: what the client sends, and what the server sends, each read message by message.</summary>
    private sealed class Session(PostgresFaultProxy proxy, Socket near, EndPoint target) : IDisposable
    {
        private const int SslRequest = 80877103;
        private const int GssRequest = 80877104;
        private readonly Socket _far = new(target.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        private readonly SemaphoreSlim _answered = new(0); // One for each ReadyForQuery of the server.
        private int _awaited = 1; // Of these; the first ends the startup. The client's side alone changes it.
        private byte _status = (byte)'I';
        private volatile bool _dropsAnswer;

        public async Task RunAsync(CancellationToken ended)
        {
            try
            {
                await _far.ConnectAsync(target, ended);
                await using var client = new NetworkStream(near);
                await using var server = new NetworkStream(_far);
                await await Task.WhenAny(FromClientAsync(client, server, ended), FromServerAsync(server, client, ended));
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // One side is gone.
            }
        }

        public void Dispose()
        {
            near.Dispose();
            _far.Dispose();
            _answered.Dispose();
        }

        private async Task FromClientAsync(NetworkStream client, NetworkStream server, CancellationToken ended)
        {
            while (true)
            {
                var startup = await ReadAsync(client, typed: false, ended);
                if (BinaryPrimitives.ReadInt32BigEndian(startup.AsSpan(4)) is not (SslRequest or GssRequest))
                {
                    await server.WriteAsync(startup, ended);
                    break;
                }

                await client.WriteAsync("N"u8.ToArray(), ended);
            }

            while (true)
            {
                var message = await ReadAsync(client, typed: true, ended);
                if (message[0] == 'P' && proxy.Meet(StatementOf(message)) is { } fault)
                {
                    if (!await AnswerAsync(fault, message, client, server, ended))
                        return;
                    continue;
                }

                if (message[0] is (byte)'S' or (byte)'Q')
                    _awaited++;
                await server.WriteAsync(message, ended);
            }
        }

        // False: the connection is over.
        private async Task<bool> AnswerAsync(PostgresFault fault, byte[] parse, NetworkStream client, NetworkStream server,
            CancellationToken ended)
        {
            for (; _awaited > 0; _awaited--)
                await _answered.WaitAsync(ended);
            _dropsAnswer = fault.SqlState is null;
            for (var message = parse; ; message = await ReadAsync(client, typed: true, ended))
            {
                if (_dropsAnswer)
                    await server.WriteAsync(message, ended);
                if (message[0] == 'S')
                    break;
            }

            if (fault.SqlState is not { } state)
            {
                await _answered.WaitAsync(ended);
                return false;
            }

            var severity = fault.EndsSession ? "FATAL" : "ERROR";
            await client.WriteAsync(Message('E', Encoding.UTF8.GetBytes($"S{severity}\0V{severity}\0C{state}\0Mas asked\0\0")), ended);
            if (fault.EndsSession)
                return false;
            await client.WriteAsync(Message('Z', [_status == 'I' ? (byte)'I' : (byte)'E']), ended);
            return true;
        }

        private async Task FromServerAsync(NetworkStream server, NetworkStream client, CancellationToken ended)
        {
            while (true)
            {
                var message = await ReadAsync(server, typed: true, ended);
                if (proxy.Version is { } version && message[0] == 'S' && message.AsSpan(5).StartsWith("server_version\0"u8))
                    message = Message('S', Encoding.UTF8.GetBytes($"server_version\0{version}\0"));
                if (!_dropsAnswer)
                    await client.WriteAsync(message, ended);
                if (message[0] == 'Z')
                {
                    _status = message[5];
                    _answered.Release();
                }
            }
        }

        // The name of the statement, which is empty, and its text.
        private static string StatementOf(byte[] parse)
        {
            var text = parse.AsSpan(5);
            text = text[(text.IndexOf((byte)0) + 1)..];
            return Encoding.UTF8.GetString(text[..text.IndexOf((byte)0)]);
        }

        private static byte[] Message(char type, byte[] body)
        {
            var message = new byte[body.Length + 5];
            message[0] = (byte)type;
            BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), body.Length + 4);
            body.CopyTo(message, 5);
            return message;
        }

        private static async Task<byte[]> ReadAsync(NetworkStream stream, bool typed, CancellationToken ended)
        {
            var type = typed ? 1 : 0;
            var head = new byte[type + 4];
            await stream.ReadExactlyAsync(head, ended);
            var message = new byte[type + BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(type))];
            head.CopyTo(message, 0);
            await stream.ReadExactlyAsync(message.AsMemory(head.Length), ended);
            return message;
        }
    }
}
