using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary><c>use</c> writes the server's text into files that Nix obeys: nothing but a URL and keys may come of it.</summary>
public sealed class UseAnswerTests : UseFixture
{
    [Theory]
    [InlineData("https://cache.example.org/\nsandbox = false")]
    [InlineData("https://cache.example.org/ https://evil.example.org")]
    [InlineData("https://cache.example.org/#x")]
    [InlineData("https://cache.example.org/?trusted=true")]
    [InlineData("https://user@cache.example.org/")]
    [InlineData("file:///tmp/cache")]
    [InlineData("/cache")]
    [InlineData("")]
    public async Task A_server_that_calls_itself_anything_but_a_url_gets_no_line(string name)
    {
        CallItself(name);

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Failed, "which is no URL of a cache");
        Assert.False(File.Exists(Conf));
    }

    [Theory]
    [InlineData("fake-1:AAAA")]
    [InlineData("no key")]
    [InlineData(FakeCache.Key + "\nsandbox = false")]
    [InlineData(FakeCache.Key + " other:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    [InlineData("#fake:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
    public async Task A_key_that_is_none_is_not_written(string key)
    {
        Cache.PublicKeys = [FakeCache.Key, key];

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Failed, "which is none: name:base64 is wanted");

        Assert.False(File.Exists(Conf));
    }

    [Fact]
    public async Task A_server_that_signs_nothing_is_believed_only_when_somebody_says_so()
    {
        Cache.PublicKeys = [];

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Refused, "signs nothing", "--trust-unsigned");
        Assert.False(File.Exists(Conf));
        Client.AssertTold(await UseAsync("--yes", "--trust-unsigned"), ExitCodes.Ok, $"extra-substituters = {Cache.Url}?trusted=true",
            "unchecked");

        // Nor then one that calls itself somebody else.
        Cache.Named = new Uri("https://cache.example.org");
        Client.AssertTold(await UseAsync("--yes", "--trust-unsigned"), ExitCodes.Refused, "calls itself https://cache.example.org/",
            "--public-url");
    }

    [Fact]
    public async Task A_token_is_written_for_the_host_that_was_asked_and_for_no_other()
    {
        IsPrivate = true;
        Cache.Named = new Uri("https://evil.example.org");

        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"]), ExitCodes.Refused,
            "calls itself https://evil.example.org/", "sends it your token");

        Assert.False(File.Exists(Netrc));
        Assert.False(File.Exists(Conf));
    }

    [Fact]
    public async Task A_name_of_a_file_that_nix_would_read_otherwise_is_escaped_or_refused()
    {
        using var authority = new CertificateAuthority();
        var (certificate, key) = authority.Client("me #1&trusted=true", "CN=me");
        IsPrivate = true;

        Client.AssertTold(await UseAsync("--yes", "--client-cert", certificate, "--client-key", key), ExitCodes.Ok,
            "me%20%231%26trusted%3Dtrue.pem&tls-private-key=");
        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"], "--netrc", Folder["a #b"]), ExitCodes.Usage,
            "cannot stand in nix.conf");
    }

    private void CallItself(string name) => Cache.Misbehave = async http =>
    {
        if (http.Request.Path != "/v1/caches/default")
            return false;
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["name"] = "default",
            ["storeDir"] = "/nix/store",
            ["priority"] = 40,
            ["substituter"] = name,
            ["publicKeys"] = new[] { FakeCache.Key },
            ["version"] = "1",
        }));
        return true;
    };
}
