using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>What clients see of a server that is told to stop.</summary>
public class DrainTests
{
    [Fact]
    public async Task With_a_delay_it_says_that_it_is_not_ready_and_serves_on_and_asks_clients_to_connect_elsewhere()
    {
        await using var server = await RunningServer.StartAsync("--drain-delay", "20s");
        using var before = await server.Client.GetAsync(new Uri("/nix-cache-info", UriKind.Relative));
        Assert.NotEqual(true, before.Headers.ConnectionClose);

        server.Process.Terminate();

        await Eventually.BecomesTrueAsync(async () =>
        {
            using var ready = await server.Client.GetAsync(new Uri("/readyz", UriKind.Relative));
            return ready.StatusCode == HttpStatusCode.ServiceUnavailable;
        }, describe: () => "/readyz to fail");
        using var live = await server.Client.GetAsync(new Uri("/livez", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        await HttpPush.RunAsync(server.Client, "late");
        using var after = await server.Client.GetAsync(new Uri("/nix-cache-info", UriKind.Relative));
        Assert.Equal((HttpStatusCode.OK, true), (after.StatusCode, after.Headers.ConnectionClose));
        Assert.False(server.Process.HasExited);

        // A second signal means it.
        server.Process.Terminate();
        Assert.Equal(0, await server.Process.WaitAsync(TimeSpan.FromSeconds(15)));
    }

    [Fact]
    public async Task A_request_under_way_is_finished_and_its_connection_closed_and_an_idle_one_too()
    {
        await using var server = await RunningServer.StartAsync();
        using var idle = await ConnectAsync(server);
        await SendAsync(idle, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
        Assert.Contains("200 OK", await ReadUntilAsync(idle, "0\r\n\r\n"), StringComparison.Ordinal);
        using var busy = await ConnectAsync(server);
        // Half of its body: the server waits for the rest.
        await SendAsync(busy,
            $"POST /v1/caches/default/missing HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.Token}\r\nContent-Type: " +
            $"application/json\r\nContent-Length: 12\r\n\r\n{{\"paths\"");
        await Eventually.BecomesTrueAsync(async () => (await server.MetricsAsync())
            .Exists(l => l.StartsWith("http_server_active_requests{http_request_method=\"POST\"", StringComparison.Ordinal)
            && l.EndsWith(" 1", StringComparison.Ordinal)), describe: () => "the request to begin");

        server.Process.Terminate();

        Assert.Equal("", await ReadToEndAsync(idle));
        await SendAsync(busy, ":[]}");
        var answer = await ReadToEndAsync(busy);
        Assert.StartsWith("HTTP/1.1 200 OK", answer, StringComparison.Ordinal);
        Assert.Contains("Connection: close", answer, StringComparison.Ordinal);
        Assert.Equal(0, await server.Process.WaitAsync(TimeSpan.FromSeconds(40)));
        await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(server));
    }

    [Fact]
    public async Task A_delay_that_is_no_time_is_refused_in_one_sentence()
    {
        var run = await ProcessRunner.RunAsync(RunningServer.Program, ["--drain-delay", "5"], RunningServer.CleanEnvironment());

        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--drain-delay is '5', which lacks its unit", run.Errors, StringComparison.Ordinal);
    }

    private static async Task<Socket> ConnectAsync(RunningServer server)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, server.Url.Port);
        return socket;
    }

    private static async Task SendAsync(Socket socket, string text) => await socket.SendAsync(Encoding.ASCII.GetBytes(text));

    private static async Task<string> ReadUntilAsync(Socket socket, string end)
    {
        var text = "";
        var buffer = new byte[4096];
        while (!text.EndsWith(end, StringComparison.Ordinal) && await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(30))
            is > 0 and var count)
            text += Encoding.ASCII.GetString(buffer, 0, count);
        return text;
    }

    private static Task<string> ReadToEndAsync(Socket socket) => ReadUntilAsync(socket, "\0");
}
