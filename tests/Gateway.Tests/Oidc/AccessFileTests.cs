using System.Text;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Oidc;

namespace OrleansCache.Gateway.Tests.Oidc;

public class AccessFileTests
{
    private const string Rule = """{"name":"ci","claims":{"repository_id":"1"},"scopes":["push"]}""";

    [Fact]
    public void A_file_with_everything_in_it_is_read()
    {
        var issuer = Assert.Single(Read("""
            {
              // Comments are for people.
              "issuers": [{
                "name": "github", "issuer": "https://token.actions.githubusercontent.com", "audience": ["a", "b"],
                "rules": [{
                  "name": "ci", "claims": { "repository_id": [1296269, "7"], "ref_protected": true }, "scopes": ["push", "pin"],
                  "pins": ["main-*"], "caches": ["team-*", "default"], "group": "builds", "publisher": ["repository_id", "environment"],
                }],
              }]
            }
            """));

        Assert.Equal(("github", "https://token.actions.githubusercontent.com", "a b"),
            (issuer.Name, issuer.Url, string.Join(' ', issuer.Audiences)));
        var rule = Assert.Single(issuer.Rules);
        Assert.Equal(["repository_id: 1296269 7", "ref_protected: true"], rule.Claims.Select(c => $"{c.Path}: {string.Join(' ', c.Patterns)}"));
        Assert.Equal((Scopes.Push | Scopes.Pin, "main-*", "builds", "repository_id environment"), (rule.Permit.Scopes,
            Assert.Single(rule.Permit.Pins!).ToString(), rule.Permit.Group, string.Join(' ', rule.Publisher!)));
        Assert.Equal(["team-*", "default"], rule.Permit.Caches);
    }

    [Fact]
    public void What_is_left_out_is_the_public_url_the_default_cache_and_all_pins()
    {
        var issuer = Assert.Single(Read(Issuer(Rule)));

        Assert.Equal(["https://cache.example.org/team"], issuer.Audiences);
        var rule = Assert.Single(issuer.Rules);
        Assert.Equal(["default"], rule.Permit.Caches);
        Assert.Null(rule.Permit.Pins);
        Assert.Null(rule.Permit.Group);
        Assert.Null(rule.Publisher);
    }

    [Fact]
    public void A_file_of_keys_lies_beside_and_needs_no_url_of_the_issuer()
    {
        var issuer = Assert.Single(Read($$"""
            {"issuers":[{"name":"k","issuer":"kubernetes/serviceaccount","jwksFile":"keys.json","rules":[{{Rule}}]}]}
            """));

        Assert.Equal("/etc/orleans-cache/keys.json", issuer.KeyFile);
    }

    [Theory]
    [InlineData("[]", "$: an object is wanted, with 'issuers'")]
    [InlineData("{}", "$.issuers: at least one issuer is wanted")]
    [InlineData("""{"issuers":[],"isuers":1}""", "$.isuers: this member is unknown")]
    [InlineData("""{"issuers":[{"name":"a b","issuer":"https://a.example","rules":[]}]}""", "$.issuers[0].name: 'a b' is no name",
        "$.issuers[0].rules: at least one rule is wanted")]
    [InlineData("""{"issuers":[{"name":"a","issuer":"http://a.example","rules":[]}]}""", "$.issuers[0].issuer: 'http://a.example' is no https URL")]
    [InlineData("""{"issuers":[{"name":"a","issuer":"https://a.example?x","rules":[]}]}""", "$.issuers[0].issuer: ")]
    [InlineData("""{"issuers":[{"name":"a","issuer":7,"rules":[]}]}""", "$.issuers[0].issuer: a text is wanted")]
    [InlineData("""{"issuers":[{"name":"a","issuer":"a","jwksFile":"keys\u0000.json","rules":[]}]}""", "$.issuers[0].jwksFile: no file's name")]
    public void A_fault_of_an_issuer_is_told_with_its_place(string json, params string[] expected) => AssertFaults(json, expected);

    [Theory]
    [InlineData("""{"name":"ci","claims":{},"scopes":["push"]}""", "claims: a rule without claims would let in everybody")]
    [InlineData("""{"name":"ci","scopes":["push"]}""", "claims: an object is wanted, as a rule without claims would let in everybody")]
    [InlineData("""{"name":"ci","claims":{"a":[]},"scopes":["push"]}""", "claims['a']: a text is wanted, or a list of texts")]
    [InlineData("""{"name":"ci","claims":{"a":{"b":"c"}},"scopes":["push"]}""", "claims['a']: a text is wanted")]
    [InlineData("""{"name":"ci","claims":{"a":""},"scopes":["push"]}""", "claims['a']: a text is wanted")]
    [InlineData("""{"name":"ci","claims":{"a.b.c.d.e.f.g.h.i":"x"},"scopes":["push"]}""", "claims['a.b.c.d.e.f.g.h.i']: the name of a claim")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":["pusch"]}""", "scopes: 'pusch' is no scope: push, pin, gc, read, admin, promote, deploy are")]
    [InlineData("""{"name":"ci","claims":{"a":"x"}}""", "scopes: a text is wanted")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":"push","pins":"a"}""", "pins: pins says which pins the scopes 'pin' and 'deploy' are for")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":"pin","pins":"a b"}""", "pins: 'a b' is not a pattern of pins")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":"pin","caches":["A"]}""", "caches: 'A' matches no cache")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":"pin","publisher":["repository_id","run_id"]}""",
        "publisher: 'run_id' differs from job to job")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":"push","group":"file"}""", "group: 'file' is the group of the token file")]
    [InlineData("""{"name":"ci","claims":{"a":"x"},"scopes":"pin","stage":"x"}""", "stage: this member is unknown")]
    public void A_fault_of_a_rule_is_told_with_its_place(string rule, string expected) =>
        AssertFaults(Issuer(rule), [$"$.issuers[0].rules[0].{expected}"]);

    [Fact]
    public void All_faults_are_told_at_once() => AssertFaults(
        Issuer("""{"name":"ci","claims":{},"scopes":"all"}""", """{"name":"ci","claims":{"a":"b"},"scopes":"push","x":1}"""),
        ["rules[0].claims", "rules[0].scopes", "rules[1].name: the name 'ci' is there twice", "rules[1].x"]);

    [Theory]
    [InlineData("{", "is not JSON")]
    [InlineData("""{"issuers":[],"issuers":[]}""", "is not JSON")]
    public void What_is_no_json_is_told_so(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<StartupException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("https://token.actions.githubusercontent.com", """{"ref":"refs/heads/main"}""", "names no owner or repository")]
    [InlineData("https://token.actions.githubusercontent.com", """{"repository":"*/*","repository_id":"*"}""", "names no owner or repository")]
    [InlineData("https://token.actions.githubusercontent.com", """{"repository_owner":"octo-*","repository_owner_id":"?5"}""", "names no owner")]
    [InlineData("https://token.actions.githubusercontent.com", """{"sub":"repo:octo-org/*"}""", "matches by the name in 'sub'")]
    [InlineData("https://token.actions.githubusercontent.com", """{"repository":"octo-org/*"}""", "matches by the name in 'repository'")]
    [InlineData("https://token.actions.githubusercontent.com", """{"repository":"octo-org/*","repository_owner_id":"65"}""", null)]
    [InlineData("https://gitlab.com", """{"project_path":"g/p"}""", "matches by the name in 'project_path'")]
    [InlineData("https://gitlab.com", """{"project_id":"7"}""", null)]
    [InlineData("https://gitlab.example.org", """{"ref":"main"}""", null)]
    [InlineData("https://k.example", """{"kubernetes.io.namespace":"ci"}""", "matches by the name in 'kubernetes.io.namespace'")]
    [InlineData("https://k.example", """{"kubernetes.io.namespace":"ci","kubernetes.io.serviceaccount.uid":"1c2d"}""", null)]
    public void A_rule_that_may_let_in_others_is_warned_of_once(string issuer, string claims, string? expected)
    {
        var doubts = RuleDoubts.Of(Read($$"""
            {"issuers":[{"name":"a","issuer":"{{issuer}}","rules":[{"name":"ci","claims":{{claims}},"scopes":"push"}]}]}
            """)).ToList();

        Assert.Equal(expected is not null, doubts.Exists(d => expected is null || d.Contains(expected, StringComparison.Ordinal)));
        Assert.Equal(doubts.Count, doubts.Distinct().Count());
    }

    private static string Issuer(params string[] rules) =>
        $$"""{"issuers":[{"name":"a","issuer":"https://a.example","rules":[{{string.Join(',', rules)}}]}]}""";

    private static IReadOnlyList<Issuer> Read(string json) =>
        AccessFile.Parse(Encoding.UTF8.GetBytes(json), "/etc/orleans-cache/access.json", new Uri("https://cache.example.org/team/")).Issuers;

    private static void AssertFaults(string json, string[] expected)
    {
        var message = Assert.Throws<StartupException>(() => Read(json)).Message;
        foreach (var text in expected)
            Assert.Contains(text, message, StringComparison.Ordinal);
    }
}
