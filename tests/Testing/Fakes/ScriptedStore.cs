using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OrleansCache.Testing;

/// <summary>
/// A server on loopback that reads requests whole and answers each as scripted: what no real store does on demand. An answer of null closes
/// the connection without one; the last answer repeats.
/// </summary>
internal sealed class ScriptedStore : IAsyncDisposable
{
    public const string Ok = "200 OK";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly string?[] _answers;
    private readonly Task _accepting;
    private int _requests;

    public ScriptedStore(params string?[] answers)
    {
        _answers = answers;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Url => new($"http://{_listener.LocalEndpoint}");

    /// <summary>How many whole requests have arrived.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Called with each request's first line before it is answered.</summary>
    public Action<string>? OnRequest { get; set; }

    public static string Error(string status, string code) => $"{status}\n<Error><Code>{code}</Code></Error>";

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or InvalidOperationException or SocketException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var connection = client;
        var stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.Latin1);
        try
        {
            while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } first)
            {
                var length = 0;
                while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } header)
                {
                    if (header.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                        length = int.Parse(header["Content-Length:".Length..], System.Globalization.CultureInfo.InvariantCulture);
                }

                if (length > 0) // Reading nothing would wait for more.
                    await reader.ReadBlockAsync(new char[length], _stop.Token);
                var answer = _answers[Math.Min(Interlocked.Increment(ref _requests), _answers.Length) - 1];
                OnRequest?.Invoke(first);
                if (answer is null)
                    return;
                var (status, body) = answer.IndexOf('\n', StringComparison.Ordinal) is var end and > 0
                    ? (answer[..end], answer[(end + 1)..]) : (answer, "");
                await stream.WriteAsync(
                    Encoding.Latin1.GetBytes(
                    $"HTTP/1.1 {status}\r\nContent-Length: " +
                    $"{body.Length}\r\n\r\n{(first.StartsWith("HEAD", StringComparison.Ordinal) ? "" : body)}"), _stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
        }
    }
}
