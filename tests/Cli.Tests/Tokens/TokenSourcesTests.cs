using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tokens;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary>Where the client finds its token, and what it says when it does not.</summary>
public sealed class TokenSourcesTests : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly HttpMessageInvoker _http = Connections.Open(4);
    private FakeCache _cache = null!;
    private string _login = "";

    private ConcurrentQueue<string> Audiences { get; } = [];

    public async Task InitializeAsync()
    {
        _cache = await FakeCache.StartAsync();
        _login = Offer(("https://example.org", "other"), ("https://token.actions.githubusercontent.com", Origin));
        _cache.Misbehave = async http =>
        {
            if (http.Request.Path == "/v1/login" && _login.Length > 0)
            {
                http.Response.ContentType = "application/json";
                await http.Response.WriteAsync(_login);
                return true;
            }

            if (http.Request.Path != "/identity")
                return false;
            if (http.Request.Headers.Authorization != "Bearer runner's")
            {
                http.Response.StatusCode = 403;
                return true;
            }

            Audiences.Enqueue($"{http.Request.Query["audience"]}");
            await http.Response.WriteAsync($$"""{"count":9,"value":"identity-{{Audiences.Count}}"}""");
            return true;
        };
    }

    public async Task DisposeAsync() => await _cache.DisposeAsync();

    public void Dispose()
    {
        _http.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_is_named_comes_before_what_is_found_and_that_in_a_fixed_order()
    {
        await File.WriteAllTextAsync(_folder["named"], "of-the-file\n");
        await File.WriteAllTextAsync(_folder["account"], "of-the-account");
        Dictionary<string, string> everything = new()
        {
            ["XDG_CONFIG_HOME"] = _folder["config"],
            [GitHubToken.UrlVariable] = $"{_cache.Url}identity?api-version=2.0",
            [GitHubToken.SecretVariable] = "runner's",
            [TokenSources.IdTokenVariable] = "of-gitlab",
        };
        LoginStore.Default(everything.GetValueOrDefault)!.Put(new Login { Url = LoginStore.KeyOf(_cache.Url), Token = "of-the-login" });
        var settings = Settings();

        Assert.Equal("of-the-file", await TokenAsync(everything, settings with { TokenFile = _folder["named"] }));
        Assert.Equal("of-the-command", await TokenAsync(everything, settings with { TokenCommand = "echo of-the-command" }));
        Assert.Equal("of-the-login", await TokenAsync(everything, settings));
        everything.Remove("XDG_CONFIG_HOME");
        Assert.Equal("identity-1", await TokenAsync(everything, settings));
        Assert.Equal([Origin], Audiences);
        everything.Remove(GitHubToken.UrlVariable);
        Assert.Equal("of-gitlab", await TokenAsync(everything, settings));
        everything.Remove(TokenSources.IdTokenVariable);
        Assert.Equal("of-the-account", await TokenAsync(everything, settings));
        File.Delete(_folder["account"]);
        Assert.Null(await TokenAsync(everything, settings));
    }

    [Fact]
    public async Task A_login_at_another_server_gives_nothing_away()
    {
        Dictionary<string, string> environment = new() { ["XDG_CONFIG_HOME"] = _folder["config"] };
        LoginStore.Default(environment.GetValueOrDefault)!.Put(new Login { Url = "https://other.example.org", Token = "of-the-login" });

        Assert.Null(await TokenAsync(environment, Settings()));
    }

    [Fact]
    public async Task Who_shows_a_certificate_is_not_asked_for_the_identity_of_its_job()
    {
        Dictionary<string, string> environment = new() { [TokenSources.IdTokenVariable] = "of-gitlab" };

        Assert.Null(await TokenAsync(environment, Settings() with { Tls = new ClientTls { CertificateFile = "own.pem" } }));
    }

    [Theory]
    [InlineData("""{"audience":"a","issuers":[]}""")]
    [InlineData("")]
    public async Task A_server_without_issuers_is_not_sent_the_identity_of_a_job(string login)
    {
        _login = login;

        var error = await Assert.ThrowsAsync<CliException>(() => TokenAsync(Runner("runner's"), Settings()));

        Assert.Contains("takes no identities of jobs", error.Message, StringComparison.Ordinal);
        Assert.Empty(Audiences);
    }

    [Theory]
    [InlineData("https://vault.example.org")]
    [InlineData("sts.amazonaws.com")]
    [InlineData("http://127.0.0.1:1")]
    public async Task A_token_for_somebody_else_is_not_asked_for_whatever_the_server_says(string audience)
    {
        _login = Offer(("https://token.actions.githubusercontent.com", audience));

        var error = await Assert.ThrowsAsync<CliException>(() => TokenAsync(Runner("runner's"), Settings()));

        Assert.Contains($"for the audience '{audience}', which is not its URL", error.Message, StringComparison.Ordinal);
        Assert.Contains("--audience", error.Message, StringComparison.Ordinal);
        Assert.Empty(Audiences);
    }

    [Fact]
    public async Task An_audience_that_was_named_is_asked_for_and_the_server_is_not()
    {
        _login = Offer(("https://token.actions.githubusercontent.com", "theirs"));

        Assert.Equal("identity-1", await TokenAsync(Runner("runner's"), Settings() with { Audience = "ours" }));

        Assert.Equal(["ours"], Audiences);
        Assert.DoesNotContain("GET /v1/login", _cache.Requests);
    }

    [Theory]
    [InlineData("https://github.com", "https://token.actions.githubusercontent.com")]
    [InlineData("https://github.com", "https://token.actions.githubusercontent.com/enterprise")]
    [InlineData("https://forge.example.org", "https://forge.example.org/api/actions")]
    [InlineData("https://ours.ghe.com", "https://token.actions.ours.ghe.com")]
    public async Task The_audience_is_that_of_the_issuer_of_the_job(string forge, string issuer)
    {
        // With a path the URL is another one, so the two can be told apart.
        var settings = Settings() with { Url = new Uri(_cache.Url, "team") };
        _login = Offer(("https://other.example.org", $"{Origin}/team"), (issuer, Origin),
            ("https://forge.example.org.evil", $"{Origin}/team"));
        _cache.Misbehave = Below("/team", _cache.Misbehave);
        var environment = Runner("runner's");
        environment[JobAudience.ForgeVariable] = forge;

        await TokenAsync(environment, settings);

        Assert.Equal([Origin], Audiences);
    }

    [Theory]
    [InlineData("https://cache.example.org/team", true)]
    [InlineData("https://cache.example.org/team/", true)]
    [InlineData("HTTPS://Cache.Example.org:443/team", true)]
    [InlineData("https://cache.example.org", true)]
    [InlineData("https://cache.example.org/", true)]
    [InlineData("https://cache.example.org/other", false)]
    [InlineData("https://cache.example.org/team/more", false)]
    [InlineData("https://cache.example.org:8443", false)]
    [InlineData("http://cache.example.org", false)]
    [InlineData("https://example.org", false)]
    [InlineData("https://cache.example.org.evil.example", false)]
    [InlineData("https://cache.example.org@evil.example", false)]
    [InlineData("https://evil.example\\@cache.example.org", false)]
    [InlineData("https://cache.example.org?x", false)]
    [InlineData("https://cache.example.org#x", false)]
    [InlineData(" https://cache.example.org", false)]
    [InlineData("cache.example.org", false)]
    [InlineData("", false)]
    public void The_URL_of_a_server_is_known_in_every_form_that_it_has(string audience, bool isItsOwn) =>
        Assert.Equal(isItsOwn, JobAudience.IsUrlOf(new Uri("https://cache.example.org/team"), audience));

    [Fact]
    public async Task What_was_found_is_not_sent_in_the_clear_and_what_was_named_is()
    {
        await File.WriteAllTextAsync(_folder["account"], "of-the-account");
        var settings = Settings() with { Url = new Uri("http://cache.example.org") };
        Dictionary<string, string> gitLab = new() { [TokenSources.IdTokenVariable] = "of-gitlab" };
        Dictionary<string, string> login = new() { ["XDG_CONFIG_HOME"] = _folder["config"] };
        Dictionary<string, string> pasted = new() { ["XDG_CONFIG_HOME"] = _folder["pasted"] };
        var made = new Login { Url = "http://cache.example.org", Token = "t", Issuer = "https://example.org", ClientId = "c" };
        LoginStore.Default(login.GetValueOrDefault)!.Put(made);
        LoginStore.Default(pasted.GetValueOrDefault)!.Put(made with { Issuer = null });

        foreach (var environment in new[] { Runner("runner's"), gitLab, login, [] })
        {
            var error = await Assert.ThrowsAsync<CliException>(() => TokenAsync(environment, settings));
            Assert.Contains("is not sent to http://cache.example.org/", error.Message, StringComparison.Ordinal);
            Assert.Contains("https://", error.Message, StringComparison.Ordinal);
        }

        Assert.Empty(Audiences);
        Assert.Equal("of-the-account", await TokenAsync(gitLab, settings with { TokenFile = _folder["account"] }));
        Assert.Equal("t", await TokenAsync(pasted, settings));
        Assert.Equal("of-gitlab", await TokenAsync(gitLab, settings with { Url = new Uri("https://cache.example.org") }));
    }

    [Fact]
    public async Task A_job_without_the_permission_is_told_which_one_it_needs()
    {
        var error = await Assert.ThrowsAsync<CliException>(() => TokenAsync(Runner("wrong"), Settings()));

        Assert.Contains("id-token: write", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("echo why it failed >&2; echo more >&2; exit 3", "exit code 3: why it failed")]
    [InlineData("exit 1", "exit code 1.")]
    [InlineData("true", "is empty")]
    [InlineData("echo one; echo two", "more than one line")]
    [InlineData("head -c 20000 /dev/zero | tr '\\0' x", "more than 16 KiB")]
    [InlineData("yes", "more than 16 KiB")]
    [InlineData("no-such-command-here", "exit code 127")]
    [InlineData("cat; exit 5", "exit code 5")]
    public async Task A_command_that_gives_no_token_is_told_with_its_reason(string command, string reason)
    {
        var error = await Assert.ThrowsAsync<CliException>(() => TokenAsync([], Settings() with { TokenCommand = command }));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("more >&2\n", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_push_goes_on_when_its_token_has_been_replaced_in_the_middle()
    {
        await File.WriteAllTextAsync(_folder["token"], "first");
        _cache.Token = "first";
        var api = new Api(_http, _cache.Url, "default", Sources([]).Find(Settings() with { TokenFile = _folder["token"] }),
            new RetryPolicy());
        var push = await api.BeginAsync(new BeginPush { Roots = [], Paths = [] }, "key", default);

        _cache.Token = "second";
        await File.WriteAllTextAsync(_folder["token"], "second");

        await api.RenewAsync(push.Id, default);
        _cache.Token = "third";
        Assert.Equal(ExitCodes.Refused, (await Assert.ThrowsAsync<CacheException>(() => api.RenewAsync(push.Id, default))).ExitCode);
    }

    [Fact]
    public async Task A_login_without_a_refresh_token_stays_as_it_is()
    {
        var end = DateTimeOffset.UtcNow.AddSeconds(-5);
        var token = Jwt.Ending(end);
        Dictionary<string, string> environment = new() { ["XDG_CONFIG_HOME"] = _folder["config"] };
        LoginStore.Default(environment.GetValueOrDefault)!.Put(new Login { Url = LoginStore.KeyOf(_cache.Url), Token = token });

        Assert.Equal(token, await TokenAsync(environment, Settings()));
    }

    private string Origin => _cache.Url.AbsoluteUri.TrimEnd('/');

    private static string Offer(params (string Issuer, string Audience)[] issuers) => JsonSerializer.Serialize(new LoginInfo
    {
        Audience = issuers[0].Audience,
        Issuers = [.. issuers.Select(i => new LoginIssuer { Name = i.Issuer, Issuer = i.Issuer, Audience = i.Audience })],
    }, ProtocolJson.Default.LoginInfo);

    private static Func<HttpContext, Task<bool>> Below(string prefix, Func<HttpContext, Task<bool>> serve) => http =>
    {
        if (http.Request.Path.StartsWithSegments(prefix, out var rest))
            http.Request.Path = rest;
        return serve(http);
    };

    private Dictionary<string, string> Runner(string secret) => new()
    {
        [GitHubToken.UrlVariable] = $"{_cache.Url}identity",
        [GitHubToken.SecretVariable] = secret,
    };

    private ServerSettings Settings() => new() { Url = _cache.Url, UrlSource = "the test", Cache = "default" };

    private TokenSources Sources(Dictionary<string, string> environment) =>
        new(_http, new RetryPolicy { Patience = TimeSpan.Zero }, environment.GetValueOrDefault) { ServiceAccountFile = _folder["account"] };

    private async Task<string?> TokenAsync(Dictionary<string, string> environment, ServerSettings settings) =>
        await Sources(environment).Find(settings).GetAsync(default);
}
