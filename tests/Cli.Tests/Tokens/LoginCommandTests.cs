using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary><c>login</c> and <c>logout</c>, as a process of their own.</summary>
public sealed class LoginCommandTests : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new();
    private FakeIssuer _issuer = null!;

    private LoginStore Logins => new(_folder["config/orleans-cache"]);

    private string Url => _issuer.Cache.Url.ToString();

    public async Task InitializeAsync() => _issuer = await FakeIssuer.StartAsync();

    public async Task DisposeAsync() => await _issuer.DisposeAsync();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_person_logs_in_at_the_issuer_and_later_commands_need_nothing_more()
    {
        _issuer.Pending.Enqueue("authorization_pending");

        var login = await RunAsync("login", Url, "--yes");

        Client.AssertTold(login, ExitCodes.Ok, $"{_issuer.Issuer}/enter", "ABCD-EFGH", "logged in as oidc:people/42",
            "refreshed by itself");
        Assert.DoesNotContain("refresh-1", login.Output + login.Errors, StringComparison.Ordinal);
        var device = _issuer.Forms.First();
        Assert.Equal(("cli", "openid offline_access"), (device["client_id"], device["scope"]));
        Assert.Equal(["urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:device_code"],
            _issuer.Forms.Skip(1).Select(form => form["grant_type"]));
        Assert.Equal(UnixMode.Own, UnixMode.Of(Logins.Path));

        Client.AssertTold(await RunAsync("whoami", "--verbose"), ExitCodes.Ok, "oidc:people/42",
            $"server {Url} (from the login there); token from the login at {LoginStore.KeyOf(_issuer.Cache.Url)}");
    }

    [Fact]
    public async Task A_login_is_refreshed_when_its_token_ends_and_each_refresh_token_is_used_once()
    {
        _issuer.Life = TimeSpan.FromSeconds(30);
        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok);

        // At once: each finds the token about to end.
        _issuer.Life = TimeSpan.FromMinutes(30);
        foreach (var run in await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => RunAsync("whoami"))))
            Client.AssertTold(run, ExitCodes.Ok, "oidc:people/42");

        Assert.Equal("refresh-2", Logins.Find(_issuer.Cache.Url)!.RefreshToken);
        Assert.Single(_issuer.Forms, form => form.GetValueOrDefault("grant_type") == "refresh_token");
    }

    [Fact]
    public async Task A_refresh_that_the_issuer_refuses_asks_for_another_login()
    {
        _issuer.Life = TimeSpan.FromSeconds(1);
        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok);
        Logins.Put(Logins.Find(_issuer.Cache.Url)! with { RefreshToken = "stolen" });

        Client.AssertTold(await RunAsync("whoami"), ExitCodes.Refused, "used already", "'orleans-cache login'");
    }

    [Fact]
    public async Task Slow_down_slows_down_and_what_the_person_refuses_is_told()
    {
        _issuer.Pending.Enqueue("slow_down");
        _issuer.Pending.Enqueue("access_denied");
        var begun = Environment.TickCount64;

        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Refused, "refused at");

        // A second, and then that and five more.
        Assert.InRange(Environment.TickCount64 - begun, 7_000, 60_000);
        Assert.Empty(Logins.Read());
    }

    [Theory]
    [InlineData("expired_token", ExitCodes.Failed, "code has expired")]
    [InlineData("invalid_client", ExitCodes.Refused, "invalid_client")]
    public async Task A_login_that_comes_to_nothing_says_why(string error, int code, string told)
    {
        _issuer.Pending.Enqueue(error);

        Client.AssertTold(await RunAsync("login", Url, "--yes"), code, told);

        Assert.Empty(Logins.Read());
    }

    [Theory]
    [InlineData("")]
    [InlineData("""{"audience":"cache","issuers":[]}""")]
    [InlineData("""{"audience":"cache","issuers":[{"name":"jobs","issuer":"https://example.org","audience":"cache"}]}""")]
    public async Task Without_an_issuer_for_people_a_token_is_pasted(string login)
    {
        _issuer.Login = login;
        _issuer.Good.Add("oct_good");

        Client.AssertTold(await PasteAsync("oct_good\n", "login", Url), ExitCodes.Ok, "logged in as oidc:people/42");
        Assert.Equal("oct_good", Logins.Find(_issuer.Cache.Url)?.Token);
        Client.AssertTold(await PasteAsync("oct_bad", "login", Url), ExitCodes.Refused, "The server refuses this token");
        Assert.Equal("oct_good", Logins.Find(_issuer.Cache.Url)?.Token);
        Client.AssertTold(await PasteAsync("", "login", Url), ExitCodes.Usage, "empty");
    }

    [Fact]
    public async Task Of_several_issuers_one_has_to_be_chosen()
    {
        _issuer.Login = $$"""
            {"audience":"cache","issuers":[{"name":"one","issuer":"https://one.example.org","audience":"cache","clientId":"a"},
             {"name":"two","issuer":"{{_issuer.Issuer}}","audience":"cache","clientId":"b","scopes":["openid","groups"]}]}
            """;

        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Usage, "--issuer", "one, two");
        Client.AssertTold(await RunAsync("login", Url, "--issuer", "three"), ExitCodes.Usage, "'three'");
        Client.AssertTold(await RunAsync("login", Url, "--yes", "--issuer", "two"), ExitCodes.Ok);
        Assert.Equal(("b", "openid groups"), (_issuer.Forms.First()["client_id"], _issuer.Forms.First()["scope"]));
    }

    [Fact]
    public async Task An_issuer_in_the_clear_is_not_trusted_with_a_login()
    {
        _issuer.Login =
            """{"audience":"cache","issuers":[{"name":"one","issuer":"http://issuer.example.org","audience":"cache","clientId":"a"}]}""";

        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Usage, "no https URL");
    }

    [Fact]
    public async Task Nobody_is_asked_for_a_token_before_the_person_has_seen_whose_and_what_for()
    {
        _issuer.Login = $$"""
            {"audience":"cache","issuers":[{"name":"pe\u001b[2Jople","issuer":"{{_issuer.Issuer}}","audience":"cache","clientId":"cli"}]}
            """;

        var unasked = await RunAsync("login", Url);

        Client.AssertTold(unasked, ExitCodes.Usage, $"server  {Url}", $"issuer  {_issuer.Issuer} (pe?[2Jople)", "client  cli",
            "scopes  openid offline_access", "--yes");
        Assert.DoesNotContain(_issuer.Cache.Requests, request => request.Contains("/issuer", StringComparison.Ordinal));

        // Nor again where it has seen that, unless something is another.
        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok);
        Client.AssertTold(await RunAsync("login", Url), ExitCodes.Ok, "client  cli");
        _issuer.Login = _issuer.Login.Replace("\"cli\"", "\"cli\",\"scopes\":[\"openid\",\"repo\"]", StringComparison.Ordinal);
        Client.AssertTold(await RunAsync("login", Url), ExitCodes.Usage, "scopes  openid repo", "--yes");
    }

    [Fact]
    public async Task An_access_token_is_neither_kept_nor_sent()
    {
        _issuer.IsSilent = true;

        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Refused, "gives no ID token", "'openid'");

        Assert.Empty(Logins.Read());
        Assert.DoesNotContain("GET /v1/whoami", _issuer.Cache.Requests);
    }

    [Fact]
    public async Task A_refresh_without_an_ID_token_keeps_the_former_one_until_its_end()
    {
        _issuer.Life = TimeSpan.FromSeconds(60);
        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok);
        var first = Logins.Find(_issuer.Cache.Url)!;
        _issuer.IsSilent = true;

        Client.AssertTold(await RunAsync("whoami"), ExitCodes.Ok, "oidc:people/42");

        var second = Logins.Find(_issuer.Cache.Url)!;
        Assert.Equal((first.Token, "refresh-2"), (second.Token, second.RefreshToken));
        Logins.Put(second with { Token = Jwt.Ending(DateTimeOffset.UtcNow.AddSeconds(-1)) });
        Client.AssertTold(await RunAsync("whoami"), ExitCodes.Refused, "no new ID token", "log in again");
        Assert.Equal("refresh-3", Logins.Find(_issuer.Cache.Url)!.RefreshToken);
    }

    [Theory]
    [InlineData("device_authorization_endpoint", "https://evil.example.org/device", ExitCodes.Usage, "another host's")]
    [InlineData("token_endpoint", "https://evil.example.org/token", ExitCodes.Usage, "another host's")]
    [InlineData("token_endpoint", "http://issuer.example.org/token", ExitCodes.Usage, "no https URL")]
    [InlineData("device_authorization_endpoint", null, ExitCodes.Usage, "has no device flow")]
    [InlineData("issuer", "https://evil.example.org", ExitCodes.Failed, "configuration of another issuer")]
    public async Task Only_endpoints_of_the_issuer_itself_are_asked(string member, string? value, int code, string told)
    {
        _issuer.Discovery[member] = value;

        Client.AssertTold(await RunAsync("login", Url, "--yes"), code, told);

        Assert.Empty(Logins.Read());
    }

    [Fact]
    public async Task A_server_that_names_an_endpoint_is_not_heeded()
    {
        _issuer.Login = _issuer.Login.Replace("\"clientId\"", "\"deviceEndpoint\":\"https://evil.example.org/device\",\"clientId\"",
            StringComparison.Ordinal);

        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok, $"{_issuer.Issuer}/enter");
    }

    [Fact]
    public async Task A_server_that_is_older_than_logins_is_told_so_before_anything_is_pasted()
    {
        (_issuer.Login, _issuer.IsOld) = ("", true);

        Client.AssertTold(await PasteAsync("oct_good", "login", Url), ExitCodes.Failed, "orleans-cache 0.1.0, which is older than logins",
            "--token-file");
        Assert.Empty(Logins.Read());
    }

    [Fact]
    public async Task Logout_ends_the_refresh_token_where_the_issuer_can()
    {
        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok);

        Client.AssertTold(await RunAsync("logout", Url), ExitCodes.Ok, "refreshes it no more");

        var form = _issuer.Forms.Last();
        Assert.Equal(("refresh-1", "refresh_token", "cli"), (form["token"], form["token_type_hint"], form["client_id"]));
        Assert.Empty(Logins.Read());
    }

    [Theory]
    [InlineData(null, "has no way to be told")]
    [InlineData("https://evil.example.org/revoke", "could not be revoked")]
    public async Task Logout_forgets_the_login_although_the_issuer_cannot_end_it(string? endpoint, string told)
    {
        Client.AssertTold(await RunAsync("login", Url, "--yes"), ExitCodes.Ok);
        _issuer.Discovery["revocation_endpoint"] = endpoint;

        Client.AssertTold(await RunAsync("logout", Url), ExitCodes.Ok, told, "logged out");

        Assert.Empty(Logins.Read());
    }

    [Fact]
    public async Task Logout_forgets_one_login()
    {
        _issuer.Good.Add("oct_good");
        Client.AssertTold(await PasteAsync("oct_good", "login", Url, "--paste"), ExitCodes.Ok);
        Logins.Put(new Login { Url = "https://other.example.org", Token = "t" });

        Client.AssertTold(await RunAsync("whoami"), ExitCodes.Usage, "--url");
        Client.AssertTold(await RunAsync("logout", Url), ExitCodes.Ok, "logged out");
        Client.AssertTold(await RunAsync("logout", Url), ExitCodes.Failed, "no login");

        Assert.Equal("https://other.example.org", Assert.Single(Logins.Read()).Url);
    }

    private Task<ProcessResult> RunAsync(params string[] arguments) => PasteAsync("", arguments);

    private Task<ProcessResult> PasteAsync(string input, params string[] arguments) =>
        Client.RunAsync(arguments, new Dictionary<string, string?> { ["XDG_CONFIG_HOME"] = _folder["config"] }, input);
}
