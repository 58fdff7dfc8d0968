using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Oidc;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Oidc;

public class RuleTests
{
    private static readonly JsonElement GitHub = Element(ExampleClaims.GitHub("a"));
    private static readonly JsonElement GitLab = Element(ExampleClaims.GitLab("a"));
    private static readonly JsonElement Forgejo = Element(ExampleClaims.Forgejo("a"));
    private static readonly JsonElement Kubernetes = Element(ExampleClaims.Kubernetes("a"));

    [Theory]
    [InlineData("""{"kubernetes.io":{"namespace":"ci"}}""", "ci")]
    [InlineData("""{"kubernetes":{"io":{"namespace":"ci"}}}""", "ci")]
    [InlineData("""{"kubernetes":{"io.namespace":"ci"}}""", "ci")]
    [InlineData("""{"kubernetes.io.namespace":"whole","kubernetes.io":{"namespace":"ci"}}""", "whole")]
    [InlineData("""{"kubernetes.io":{"other":"x"},"kubernetes":{"io":{"namespace":"ci"}}}""", "ci")]
    [InlineData("""{"kubernetes.io":{"namespace":["a","b",7,true,null,{}]}}""", "a b 7 true")]
    [InlineData("""{"kubernetes.io":{"namespace":{"name":"ci"}}}""", null)]
    [InlineData("""{"kubernetes.io":{"namespace":null}}""", null)]
    [InlineData("""{"kubernetes.io":"namespace"}""", null)]
    [InlineData("""{"kubernetes":[{"io":{"namespace":"ci"}}]}""", null)]
    public void A_path_finds_the_claim_whose_own_name_has_dots(string claims, string? expected) => Assert.Equal(expected,
        new ClaimPath("kubernetes.io.namespace").FindIn(JsonElement.Parse(claims)) is { } found ? string.Join(' ', found) : null);

    [Theory]
    [InlineData("main", true)]
    [InlineData("release-*", true)]
    [InlineData("MAIN", false)]
    [InlineData("mai", false)]
    [InlineData("m??n", true)]
    [InlineData("*", true)]
    public void A_claim_matches_as_a_whole_and_any_of_its_values_does(string pattern, bool expected) => Assert.Equal(expected,
        new WantedClaim(new ClaimPath("ref"), [pattern]).Matches(JsonElement.Parse("""{"ref":["main","release-1"]}""")));

    [Theory]
    [InlineData(@"corp\builder", @"corp\builder", true)]
    [InlineData(@"corp\*", @"corp\builder", true)]
    [InlineData(@"corp\*", "corp*", false)]
    [InlineData(@"*\builder", @"corp\builder", true)]
    [InlineData(@"**\builder", @"corp\builder", true)]
    [InlineData(@"?orp\builder", @"corp\builder", true)]
    [InlineData(@"*\b*", @"corp\builder", true)]
    [InlineData(@"*\", @"corp\", true)]
    [InlineData(@"\\host\share", @"\\host\share", true)]
    [InlineData(@"\\host\share", @"\host\share", false)]
    [InlineData(@"corp\builder", "corpbuilder", false)]
    [InlineData(@"*\builder", "corpbuilder", false)]
    [InlineData("corp*", @"corp\builder", true)]
    public void A_backslash_stands_for_itself(string pattern, string value, bool expected) => Assert.Equal(expected,
        new WantedClaim(new ClaimPath("sub"), [pattern]).Matches(Element(new JsonObject { ["sub"] = value })));

    [Fact]
    public void All_claims_of_a_rule_have_to_match_and_the_first_that_does_not_is_told()
    {
        var rule = Of("ci", ("repository_id", ["1296269"]), ("ref", ["refs/tags/*", "refs/heads/release"]), ("event_name", ["push"]));

        var wrong = rule.FindMismatch(GitHub);

        Assert.Equal(("ref", "refs/tags/* refs/heads/release"), (wrong!.Path.Text, string.Join(' ', wrong.Patterns)));
        Assert.Null(Of("ci", ("repository_id", ["7", "1296269"]), ("ref", ["refs/heads/*"])).FindMismatch(GitHub));
    }

    [Fact]
    public void A_publisher_is_its_rules_and_the_immutable_id_that_the_token_has()
    {
        Assert.Equal("oidc:ci/1296269", Name(GitHub, Of("ci")));
        Assert.Equal("oidc:ci/20", Name(GitLab, Of("ci")));
        Assert.Equal("oidc:ci/34", Name(Forgejo, Of("ci")));
        Assert.Equal("oidc:ci/1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f", Name(Kubernetes, Of("ci")));
        Assert.Equal("oidc:ci/robot:7", Name(JsonElement.Parse("""{"sub":"robot:7"}"""), Of("ci")));
        Assert.Equal("oidc:ci+release/1296269", Name(GitHub, Of("ci"), Of("release")));
        Assert.Equal("oidc:ci+deploy/1296269/production", Name(Element(ExampleClaims.GitHub("a"), ("environment", "production")), Of("ci"),
            Of("deploy") with { Publisher = [new ClaimPath("repository_id"), new ClaimPath("environment")] }));
    }

    [Fact]
    public void No_value_of_a_claim_makes_the_name_of_another_publisher()
    {
        var rule = Of("ci") with { Publisher = [new ClaimPath("a"), new ClaimPath("b")] };

        Assert.Equal("oidc:ci/x%2Fy/z%20%25%2B%0A%C3%A4", Name(JsonElement.Parse("""{"a":"x/y","b":"z %+\nä"}"""), rule));
        Assert.Equal("oidc:ci/x,y/z", Name(JsonElement.Parse("""{"a":["x","y"],"b":"z"}"""), rule));
        Assert.Equal("oidc:ci/x%2Cy/z", Name(JsonElement.Parse("""{"a":"x,y","b":"z"}"""), rule));
        var (first, second) = (Name(JsonElement.Parse($$"""{"a":"{{new string('a', 300)}}","b":"1"}"""), rule),
            Name(JsonElement.Parse($$"""{"a":"{{new string('a', 300)}}","b":"2"}"""), rule));
        Assert.Matches(@"^oidc:ci/sha256\+[0-9a-f]{64}$", first);
        Assert.NotEqual(first, second);
        Assert.NotEqual(first, Name(JsonElement.Parse($$"""{"sub":"{{first["oidc:ci/".Length..]}}"}"""), Of("ci")));
    }

    [Fact]
    public void No_name_of_a_publisher_has_256_characters()
    {
        Rule[] rules = [Of(new string('a', 64)), Of(new string('b', 64)), Of(new string('c', 45))];
        Rule[] more = [.. rules, Of("d")];
        Assert.Matches(@"^oidc:sha256\+[0-9a-f]{64}/1$", Name(JsonElement.Parse("""{"sub":"1"}"""), more));

        foreach (var length in new[] { 1, 73, 74, 75, 199, 200, 201, 5000 })
        {
            var claims = JsonElement.Parse($$"""{"sub":"{{new string('s', length)}}"}""");
            Assert.InRange(Name(claims, rules).Length, 1, 255);
            Assert.InRange(Name(claims, more).Length, 1, 255);
            Assert.Equal(length <= 200, Name(claims, Of("ci")).EndsWith($"/{new string('s', length)}", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_token_without_the_claims_of_the_publisher_does_not_match()
    {
        var wrong = (Of("ci") with { Publisher = [new ClaimPath("environment")] }).FindMismatch(GitHub);

        Assert.Equal(("environment", 0), (wrong!.Path.Text, wrong.Patterns.Count));
        Assert.Equal("sub", Of("ci", ("x", ["y"])).FindMismatch(JsonElement.Parse("""{"x":"y"}"""))!.Path.Text);
    }

    private static string Name(JsonElement claims, params Rule[] rules) => PublisherName.Of(rules, claims);

    private static Rule Of(string name, params (string Path, string[] Patterns)[] claims) => new(name,
        [.. claims.Select(c => new WantedClaim(new ClaimPath(c.Path), c.Patterns))], new Permit(["*"], Scopes.Push, Rule: name), null);

    private static JsonElement Element(JsonObject claims, params (string Name, string Value)[] more)
    {
        foreach (var (name, value) in more)
            claims[name] = value;
        return JsonElement.Parse(claims.ToJsonString());
    }
}
