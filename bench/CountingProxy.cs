using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansCache.Bench;

/// <summary>
/// Stands between clients and a server, counts the requests by kind, and keeps the bytes of the last <c>begin</c>. Never in a measured run.
/// </summary>
internal sealed class CountingProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Dictionary<string, int> _requests = []; // under itself

    public CountingProxy()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Url => $"http://{_listener.LocalEndpoint}";

    /// <summary>The server, once it is known. Set before the first request.</summary>
    public IPEndPoint? Target { get; set; }

    /// <summary>Headers and body.</summary>
    public byte[] LastBegin { get; private set; } = [];

    public Dictionary<string, int> TakeRequests()
    {
        lock (_requests)
        {
            var taken = new Dictionary<string, int>(_requests);
            _requests.Clear();
            return taken;
        }
    }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var upstream = new TcpClient();
        try
        {
            await upstream.ConnectAsync(Target!);
            client.NoDelay = upstream.NoDelay = true;
            await Task.WhenAny(UpAsync(client.GetStream(), upstream.GetStream()), upstream.GetStream().CopyToAsync(client.GetStream()));
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // One of them has closed the connection.
        }
        finally
        {
            client.Dispose();
        }
    }

    private async Task UpAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[64 << 10];
        var head = new MemoryStream();
        MemoryStream? begin = null;
        var bodyLeft = 0L;
        var chunked = false;
        int read;
        while ((read = await from.ReadAsync(buffer)) > 0)
        {
            await to.WriteAsync(buffer.AsMemory(0, read));
            for (var at = 0; at < read;)
            {
                if (bodyLeft > 0)
                {
                    var take = (int)Math.Min(bodyLeft, read - at);
                    begin?.Write(buffer, at, take);
                    at += take;
                    bodyLeft -= take;
                    if (bodyLeft == 0 && begin is not null)
                        (LastBegin, begin) = (begin.ToArray(), null);
                    continue;
                }

                head.WriteByte(buffer[at++]);
                var soFar = head.GetBuffer().AsSpan(0, (int)head.Length);
                if (chunked)
                {
                    // Nobody's own chunk ends so but the last one.
                    if (!soFar.EndsWith("\r\n0\r\n\r\n"u8))
                        continue;
                    begin?.Write(soFar);
                    if (begin is not null)
                        (LastBegin, begin) = (begin.ToArray(), null);
                    (chunked, head) = (false, new MemoryStream());
                }
                else if (soFar.EndsWith("\r\n\r\n"u8))
                {
                    var text = Encoding.ASCII.GetString(soFar);
                    var kind = Kind(text);
                    lock (_requests)
                        _requests[kind] = _requests.GetValueOrDefault(kind) + 1;
                    bodyLeft = ContentLength(text);
                    chunked = text.Contains("chunked", StringComparison.OrdinalIgnoreCase);
                    if (kind == "begin")
                    {
                        begin = new MemoryStream();
                        begin.Write(soFar);
                    }

                    head = new MemoryStream();
                }
            }
        }
    }

    private static string Kind(string head)
    {
        var line = head.Split(' ');
        var segments = line[1].Split('?')[0].Split('/', StringSplitOptions.RemoveEmptyEntries);
        return segments switch
        {
            ["v1", "caches", _, "pushes"] => "begin",
            ["v1", "caches", _, "pushes", _, .., var last] when line[0] == "POST" => last,
            ["v1", "caches", _] => "info",
            ["upload", ..] => "PUT",
            ["api", "multipart", var what] => "multipart " + what,
            ["api", "pending_closures"] => "pending_closures",
            ["api", "pending_closures", _, var what] => what,
            ["c", _, "nar", ..] => line[0] + " nar",
            ["c", _, var file] => $"{line[0]} {(file.EndsWith(".narinfo", StringComparison.Ordinal) ? "narinfo" : file)}",
            _ => line[0],
        };
    }

    private static long ContentLength(string head)
    {
        const string Name = "\r\nContent-Length: ";
        var at = head.IndexOf(Name, StringComparison.OrdinalIgnoreCase);
        return at < 0 ? 0 : long.Parse(head.AsSpan(at + Name.Length, head.IndexOf('\r', at + 2) - at - Name.Length),
            System.Globalization.CultureInfo.InvariantCulture);
    }
}
