using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Oidc;

/// <summary>Who is let in by an issuer's word, and for what.</summary>
public class IdentityTests
{
    [Theory]
    [InlineData("RS256")]
    [InlineData("PS384")]
    [InlineData("ES256")]
    [InlineData("ES384")]
    [InlineData("ES512")]
    public async Task A_job_pushes_with_its_token_as_bearer_and_as_password(string algorithm)
    {
        await using var cache = await OidcGateway.StartAsync(provider: new OidcProvider(algorithm));
        var token = cache.Issue();

        Assert.Equal((HttpStatusCode.OK, ""), await cache.PushAsync(token));
        using var basic = await cache.Gateway.SendAsync(HttpMethod.Head, "/api/objects/0c5b8vw40dy178xlpddw65q9gf1h2186.narinfo",
            ("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"any:{token}"))));
        Assert.Equal(HttpStatusCode.NotFound, basic.StatusCode);
        Assert.Equal("oidc:ci/1296269", cache.Gateway.Subjects.Asked[0]);
    }

    [Fact]
    public async Task Of_a_valid_token_that_no_rule_matches_nothing_is_let_in()
    {
        await using var cache = await OidcGateway.StartAsync();
        var token = cache.Issue(("repository_id", "7"));

        var (status, detail) = await cache.PushAsync(token);

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("no rule of this server lets it in", detail, StringComparison.Ordinal);
        using var open = await cache.SendAsync(HttpMethod.Get, "/c/default/nix-cache-info", token);
        Assert.Equal(HttpStatusCode.OK, open.StatusCode);
    }

    [Fact]
    public async Task Rules_add_up_in_each_cache_that_they_name()
    {
        await using var cache = await OidcGateway.StartAsync("""
            {"name":"all","claims":{"repository_owner_id":"65536"},"scopes":["push"],"caches":["*"]},
            {"name":"main","claims":{"ref":"refs/heads/main"},"scopes":["pin"],"pins":["main-*"]},
            {"name":"deploy","claims":{"environment":"prod"},"scopes":["pin"],"pins":["prod"]}
            """);

        Assert.Equal("200 204 403", await PinsAsync(cache.Issue()));
        Assert.Equal("200 204 204", await PinsAsync(cache.Issue(("environment", "prod"))));
        Assert.Equal("200 403 403", await PinsAsync(cache.Issue(("ref", "refs/heads/x"))));
        var (status, detail) = await StatusAsync("/v1/caches/other/pins/main-1", cache.Issue());
        Assert.Equal(403, status);
        Assert.Contains("'default' only", detail, StringComparison.Ordinal);

        async Task<string> PinsAsync(string token) => string.Join(' ', (int)(await cache.PushAsync(token)).Status,
            (await StatusAsync("/v1/caches/default/pins/main-1", token)).Status,
            (await StatusAsync("/v1/caches/default/pins/prod", token)).Status);

        async Task<(int Status, string? Detail)> StatusAsync(string pin, string token)
        {
            using var answer = await cache.SendAsync(HttpMethod.Delete, pin, token);
            return ((int)answer.StatusCode, answer.IsSuccessStatusCode ? null : (await answer.ProblemAsync()).Detail);
        }
    }

    [Fact]
    public async Task Jobs_of_one_repository_are_one_publisher_and_one_that_may_pin_is_another()
    {
        await using var cache = await OidcGateway.StartAsync("""
            {"name":"ci","claims":{"repository_owner_id":"65536"},"scopes":["push"],"group":"builds"},
            {"name":"main","claims":{"ref":"refs/heads/main"},"scopes":["push","pin"]}
            """);

        var plain = await WhoAsync(cache.Issue(("ref", "refs/heads/x"), ("run_id", "1"), ("sha", "a")));
        var again = await WhoAsync(cache.Issue(("ref", "refs/heads/y"), ("run_id", "2"), ("sha", "b")));
        var other = await WhoAsync(cache.Issue(("ref", "refs/heads/y"), ("repository_id", "8")));
        var main = await WhoAsync(cache.Issue());

        Assert.Equal(("oidc:ci/1296269", "oidc:ci/1296269", "oidc:ci/8", "oidc:ci+main/1296269"),
            (plain.Subject, again.Subject, other.Subject, main.Subject));
        Assert.Equal(("builds", "builds", "oidc"), (plain.Group, main.Group, main.Kind));
        Assert.Equal([("ci", 0), ("main", 1)], main.Caches.Select(c => (c.Rule!, c.Rank)));
        Assert.Equal(["ci", "main"], main.Rules!);
        Assert.InRange(main.Expires!.Value - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(200), TimeSpan.FromSeconds(301));

        async Task<WhoAmI> WhoAsync(string token)
        {
            using var answer = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", token);
            return (await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.WhoAmI))!;
        }
    }

    [Fact]
    public async Task A_trust_group_holds_in_the_caches_of_its_rule_and_comes_from_no_rule_that_only_reads()
    {
        await using var cache = await OidcGateway.StartAsync("""
            {"name":"reads","claims":{"repository_owner_id":"65536"},"scopes":["read"],"caches":["*"],"group":"readers"},
            {"name":"ci","claims":{"repository_owner_id":"65536"},"scopes":["push"],"group":"builds"},
            {"name":"team","claims":{"repository_id":"1296269"},"scopes":["push"],"caches":["team"],"group":"team"},
            {"name":"lone","claims":{"repository_id":"1296269"},"scopes":["push"],"caches":["lone"]}
            """);
        var token = cache.Issue();
        var credential = await cache.Identities.FindAsync(token, CacheName.Default, CancellationToken.None);

        Assert.Equal(["builds", "team", credential.Id, credential.Id], new[] { "default", "team", "lone", "other" }
            .Select(name => credential.In(CacheName.TryParse(name, out var cacheName) ? cacheName : default).Caller.Group));
        foreach (var name in new[] { "default", "team", "lone" })
            Assert.Equal((HttpStatusCode.OK, ""), await cache.PushAsync(token, name));
        using var answer = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", token);
        var who = (await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.WhoAmI))!;
        Assert.Equal(("builds", "readers builds team "), (who.Group, string.Join(' ', who.Caches.Select(c => c.Group))));
    }

    [Fact]
    public async Task Where_rules_give_different_trust_groups_the_token_is_refused_and_both_are_named()
    {
        await using var cache = await OidcGateway.StartAsync("""
            {"name":"ci","claims":{"repository_owner_id":"65536"},"scopes":["push"],"caches":["*"],"group":"builds"},
            {"name":"main","claims":{"ref":"refs/heads/main"},"scopes":["pin"],"group":"releases"}
            """);
        var token = cache.Issue();

        var (status, detail) = await cache.PushAsync(token);
        using var who = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", token);
        using var open = await cache.SendAsync(HttpMethod.Get, "/c/default/nix-cache-info", token);

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.OK), (status, who.StatusCode, open.StatusCode));
        Assert.Contains("'builds' by the rule 'ci', 'releases' by the rule 'main'. An admin", detail, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.OK, ""), await cache.PushAsync(token, "other"));
        Assert.Equal((HttpStatusCode.OK, ""), await cache.PushAsync(cache.Issue(("ref", "refs/heads/x"))));
    }

    [Fact]
    public async Task Whoami_answers_everybody_but_those_whose_credential_is_bad()
    {
        await using var cache = await OidcGateway.StartAsync();
        var token = cache.Gateway.Tokens.Add(new ValidToken(7, CacheName.Default, [TokenScope.Push, TokenScope.Pin],
            [PinPattern.Parse("prod-*")], "ci", DateTimeOffset.UnixEpoch));

        using var nobody = await cache.Gateway.GetAsync("/v1/whoami");
        using var file = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", TestGateway.Token);
        using var own = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", token);
        using var bad = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", "wrong");
        using var expired = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", cache.Issue(("exp", 5)));

        Assert.Equal("""{"subject":"anonymous","kind":"anonymous","caches":[{"caches":["*"],"scopes":["read"],"rank":0}],"group":"anonymous"}""",
            await nobody.Content.ReadAsStringAsync());
        Assert.Contains("""
            "kind":"file","caches":[{"caches":["*"],"scopes":["push","pin","gc","read","admin","promote","deploy"],"rank":1}],"group":"file"}
            """.Trim(), await file.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("""
            {"subject":"token:7","kind":"token","caches":[{"caches":["default"],"scopes":["push","pin"],"pins":["prod-*"],"rank":1}],"expires":"1970-01-01T00:00:00+00:00","group":"ci"}
            """.Trim(), await own.Content.ReadAsStringAsync());
        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (bad.StatusCode, expired.StatusCode));
        Assert.Contains("expired at 1970-01-01T00:00:05Z", (await expired.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_check_tells_which_rules_match_and_of_the_others_the_claim_that_fails()
    {
        await using var cache = await OidcGateway.StartAsync("""
            {"name":"ci","claims":{"repository_id":"1296269"},"scopes":["push"]},
            {"name":"main","claims":{"ref":["refs/heads/release","refs/tags/*"]},"scopes":["pin"]},
            {"name":"deploy","claims":{"environment":"prod"},"scopes":["pin"]}
            """);

        var good = await CheckAsync(cache.Issue());
        var old = await CheckAsync(cache.Issue(("exp", 5)));
        var strange = await CheckAsync(cache.Issue(("iss", "https://elsewhere.example")));
        var broken = await CheckAsync("eyJ.x.y");

        Assert.Equal((null, "oidc:ci/1296269"), (good.Refused, good.Subject));
        Assert.Equal(["ci True   ", "main False ref refs/heads/release,refs/tags/* refs/heads/main", "deploy False environment prod "],
            good.Rules.Select(r => $"{r.Rule} {r.Matched} {r.Claim} {string.Join(',', r.Wanted ?? [])} {string.Join(',', r.Found ?? [])}"));
        Assert.Contains("expired", old.Refused, StringComparison.Ordinal);
        Assert.True(old.Rules[0].Matched);
        Assert.Contains("issuer", strange.Refused, StringComparison.Ordinal);
        Assert.All(strange.Rules, r => Assert.Equal(("iss", "https://elsewhere.example"), (r.Claim, r.Found![0])));
        Assert.Contains("three parts", broken.Refused, StringComparison.Ordinal);

        async Task<AccessChecked> CheckAsync(string token)
        {
            using var answer = await cache.Gateway.PostAsync("/v1/access/check", new JsonObject { ["token"] = token }.ToJsonString());
            return (await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.AccessChecked))!;
        }
    }

    [Fact]
    public async Task A_blocked_publisher_is_refused_everywhere_with_the_reason()
    {
        await using var cache = await OidcGateway.StartAsync();
        var token = cache.Issue();
        Assert.Equal(HttpStatusCode.OK, (await cache.PushAsync(token)).Status);
        cache.Gateway.Subjects.Standing["oidc:ci/1296269"] = new SubjectBlock("oidc:ci/*", "the runner was taken over.");

        var (status, detail) = await cache.PushAsync(token);
        using var read = await cache.SendAsync(HttpMethod.Get, "/c/default/nix-cache-info", token);
        using var who = await cache.SendAsync(HttpMethod.Get, "/v1/whoami", token);

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (status, read.StatusCode, who.StatusCode));
        Assert.Contains("'oidc:ci/1296269' is blocked: the runner was taken over. Ask", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_blocked_token_is_refused_with_the_reason()
    {
        await using var cache = await OidcGateway.StartAsync();
        var token = cache.Gateway.Tokens.Add(new ValidToken(7, CacheName.Default, [TokenScope.Push], null,
            Block: new SubjectBlock("token:7", null)));

        var (status, detail) = await cache.PushAsync(token);

        Assert.Equal(HttpStatusCode.Forbidden, status);
        Assert.Contains("'token:7' is blocked. Ask", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_the_database_is_away_an_identity_is_neither_accepted_nor_refused()
    {
        await using var cache = await OidcGateway.StartAsync();
        cache.Gateway.Subjects.Failure = new CacheProblemException(ProblemKind.Unavailable, "The database did not answer in time.");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await cache.PushAsync(cache.Issue())).Status);
    }

    [Fact]
    public async Task Without_issuers_a_token_of_one_is_unknown_like_any_other_text()
    {
        await using var provider = new OidcProvider();
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.SendAsync(HttpMethod.Post, "/v1/caches/default/missing",
            ("Authorization", $"Bearer {provider.Issue(ExampleClaims.GitHub("x"))}"));
        using var check = await gateway.PostAsync("/v1/access/check", """{"token":"x"}""");

        Assert.Equal((HttpStatusCode.Unauthorized, HttpStatusCode.BadRequest), (answer.StatusCode, check.StatusCode));
        Assert.Contains("--access", (await check.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_of_niks3_find_the_audience()
    {
        await using var cache = await OidcGateway.StartAsync();

        foreach (var query in new[] { "", $"?issuer={Uri.EscapeDataString(cache.Provider.Url)}" })
            Assert.Equal(OidcGateway.Audience, await AudienceAsync(query));
        Assert.Null(await AudienceAsync("?issuer=https%3A%2F%2Felsewhere.example"));

        async Task<string?> AudienceAsync(string query)
        {
            using var answer = await cache.Gateway.GetAsync("/api/cache-config" + query);
            return (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["oidc_audience"];
        }
    }

    [Fact]
    public async Task Blocks_are_made_listed_and_lifted_by_who_may()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var made = await gateway.PostAsync("/v1/caches/default/subjects/blocks", """{"pattern":"oidc:ci/*","reason":"taken over"}""");
        using var lifted = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/default/subjects/blocks/3",
            ("Authorization", $"Bearer {TestGateway.Token}"));
        using var strange = await gateway.SendAsync(HttpMethod.Delete, "/v1/caches/default/subjects/blocks/x",
            ("Authorization", $"Bearer {TestGateway.Token}"));

        var answer = (await made.Content.ReadFromJsonAsync(ProtocolJson.Default.Blocked))!;
        Assert.Equal(("oidc:ci/*", "taken over", 2), (answer.Block.Pattern, answer.Block.Reason, answer.EndedPushes));
        Assert.StartsWith("file:", gateway.Subjects.Made!.Value.Caller.Publisher, StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.NoContent, 3), (lifted.StatusCode, gateway.Subjects.Lifted!.Value.Block));
        Assert.Equal("urn:orleans-cache:error:unknown-block", (await strange.ProblemAsync()).Type);
    }
}
