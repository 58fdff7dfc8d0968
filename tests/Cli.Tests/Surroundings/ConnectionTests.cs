using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Surroundings;

/// <summary>What is said of certificates, proxies and whatever else answers in place of a server: which host, and what to change.</summary>
public sealed class ConnectionTests
{
    private const string Page = "<html><body>nobody here</body></html>";
    private static readonly DateTimeOffset NextYear = DateTimeOffset.UtcNow.AddDays(20);

    [Theory]
    [InlineData("info")]
    [InlineData("doctor")]
    [InlineData("pins list")]
    public async Task A_server_that_shows_an_unknown_certificate_is_named_with_the_variable_that_helps(string command)
    {
        await using var server = new ScriptedServer("", ScriptedServer.Certificate("localhost", NextYear, IPAddress.Loopback));

        Client.AssertTold(await RunAsync(command, $"https://{server.Authority}"), ExitCodes.Unreachable, server.Authority, "not trusted",
            "SSL_CERT_FILE");
    }

    [Fact]
    public async Task A_certificate_of_another_name_is_told_with_its_name()
    {
        await using var server = new ScriptedServer("", ScriptedServer.Certificate("cache.example.org", NextYear));

        Client.AssertTold(await RunAsync("info", $"https://{server.Authority}"), ExitCodes.Unreachable, server.Authority,
            "another name (cache.example.org)");
    }

    [Fact]
    public async Task A_certificate_that_has_expired_is_told_with_the_day()
    {
        await using var server = new ScriptedServer("",
            ScriptedServer.Certificate("localhost", new DateTimeOffset(2020, 1, 2, 0, 0, 0, TimeSpan.Zero), IPAddress.Loopback));

        Client.AssertTold(await RunAsync("info", $"https://{server.Authority}"), ExitCodes.Unreachable, server.Authority,
            "expired on 2020-01-02");
    }

    [Theory]
    [InlineData("info")]
    [InlineData("doctor")]
    public async Task A_port_without_TLS_is_told_as_that(string command)
    {
        await using var server = new ScriptedServer(ScriptedServer.Answer("400 Bad Request", "text/html", Page));

        Client.AssertTold(await RunAsync(command, $"https://{server.Authority}"), ExitCodes.Unreachable, server.Authority,
            "does not speak TLS", "http://");
    }

    [Theory]
    [InlineData("info")]
    [InlineData("doctor")]
    public async Task A_port_of_TLS_is_told_as_that(string command)
    {
        await using var server = new ScriptedServer("", ScriptedServer.Certificate("localhost", NextYear, IPAddress.Loopback));

        Client.AssertTold(await RunAsync(command, $"http://{server.Authority}"), ExitCodes.Unreachable, server.Authority, "is https:// meant?");
    }

    [Fact]
    public async Task A_redirect_names_the_url_to_use()
    {
        await using var server = new ScriptedServer(ScriptedServer.Answer("301 Moved Permanently", "text/html", Page,
            "Location: https://cache.example.org/v1/caches/default\r\n"));

        Client.AssertTold(await RunAsync("info", $"http://{server.Authority}"), ExitCodes.Usage,
            "redirects to https://cache.example.org/", "--url");
    }

    [Fact]
    public async Task A_body_that_a_proxy_before_the_server_refuses_names_the_limit()
    {
        await using var server = new ScriptedServer(ScriptedServer.Answer("413 Request Entity Too Large", "text/html", Page,
            "Server: nginx\r\n"));

        Client.AssertTold(await RunAsync("gc", $"http://{server.Authority}"), ExitCodes.Failed, server.Authority, "HTTP 413",
            "a web page of nginx", "client_max_body_size");
    }

    [Fact]
    public async Task A_proxy_that_is_not_there_is_named_and_how_to_go_without_it()
    {
        var proxy = $"http://127.0.0.1:{FreePort.Next()}";

        Client.AssertTold(
            await RunAsync("info", "http://cache.example.org", ("http_proxy", proxy)), ExitCodes.Unreachable, "no connection to the proxy",
            proxy, "http_proxy", "no_proxy=cache.example.org");
    }

    [Theory]
    [InlineData("https://cache.example.org", "https_proxy")]
    [InlineData("http://cache.example.org", "http_proxy")]
    public async Task A_proxy_that_refuses_is_named_and_how_to_go_without_it(string url, string variable)
    {
        await using var proxy = new ScriptedServer(ScriptedServer.Answer("403 Forbidden", "text/html", Page));

        Client.AssertTold(await RunAsync("info", url, (variable, $"http://user:secret@{proxy.Authority}")), ExitCodes.Unreachable,
            proxy.Authority, "cache.example.org", "no_proxy");
    }

    [Theory]
    [InlineData("*")]
    [InlineData("example.org, 127.0.0.0/8")]
    public async Task What_no_proxy_exempts_is_reached_without_the_proxy(string exempt)
    {
        await using var cache = await FakeCache.StartAsync();

        Client.AssertTold(
            await RunAsync("info", cache.Url.ToString(), ("http_proxy", $"http://127.0.0.1:{FreePort.Next()}"), ("no_proxy", exempt)),
            ExitCodes.Ok, "substituter");
    }

    [Theory]
    [InlineData("http://cache.example.org", "example.org", true)]
    [InlineData("http://cache.example.org", ".example.org", true)]
    [InlineData("http://cache.example.org", "*.example.org", true)]
    [InlineData("http://cache.example.org:8080", "a, cache.example.org:8080", true)]
    [InlineData("http://cache.example.org", "cache.example.org:8080", false)]
    [InlineData("http://myexample.org", "example.org", false)]
    [InlineData("http://10.1.2.3", "10.0.0.0/8", true)]
    [InlineData("http://11.1.2.3", "10.0.0.0/8", false)]
    [InlineData("http://[::1]:80", "::1", true)]
    [InlineData("http://cache.example.org", "", false)]
    public void No_proxy_means_what_it_means_to_curl(string url, string list, bool isExempt) =>
        Assert.Equal(isExempt, Proxies.IsExempt(new Uri(url), list));

    private static Task<ProcessResult> RunAsync(string command, string url, params (string Name, string Value)[] variables) =>
        Client.RunAsync([.. command.Split(' '), "--url", url], variables.ToDictionary(variable => variable.Name, variable =>
            (string?)variable.Value));
}
