using System.Text;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Oidc;

namespace OrleansCache.Gateway.Tests.Tls;

/// <summary>The members <c>certificates</c> and <c>login</c> of the file of <c>--access</c>.</summary>
public class CertificateRulesTests
{
    [Fact]
    public void Certificates_are_enough_for_a_file()
    {
        var rules = Read("""{"certificates":{"rules":[{"name":"a","claims":{"dns":"*.example.org"},"scopes":"push"}]}}""");

        Assert.Empty(rules.Issuers);
        Assert.Equal(["name"], Assert.Single(rules.Certificates!).Publisher!.Select(p => p.Text));
    }

    [Theory]
    [InlineData("""{"certificates":{"rules":[]}}""", "$.certificates.rules: at least one rule is wanted")]
    [InlineData("""{"certificates":[]}""", "$.certificates: an object is wanted")]
    [InlineData("""{"certificates":{"rule":[]}}""", "$.certificates.rule: this member is unknown")]
    [InlineData("""{"certificates":{"rules":[{"name":"a","claims":{},"scopes":"push"}]}}""", "a rule without claims")]
    [InlineData("""{"certificates":{"rules":[{"name":"a","claims":{"sub":"x"},"scopes":"push"}]}}""", "has 'sub', which no certificate has")]
    [InlineData("""{"certificates":{"rules":[{"name":"a","claims":{"o":"x"},"scopes":"push","publisher":"serial"}]}}""",
        "has 'serial', which a renewed certificate has another of")]
    [InlineData("""{"certificates":{"rules":[{"name":"a","claims":{"o":"x"},"scopes":"push"},{"name":"a","claims":{"o":"y"},"scopes":"pin"}]}}""",
        "the name 'a' is there twice")]
    [InlineData("""{"issuers":[{"name":"i","issuer":"https://i","login":{},"rules":[{"name":"a","claims":{"sub":"x"},"scopes":"push"}]}]}""",
        "$.issuers[0].login.clientId: a text is wanted")]
    [InlineData("""{"issuers":[{"name":"i","issuer":"https://i","audience":"c","login":{"clientId":"c","deviceEndpoint":"https://i/device"},"rules":[{"name":"a","claims":{"sub":"x"},"scopes":"push"}]}]}""",
        "$.issuers[0].login.deviceEndpoint: this member is unknown")]
    [InlineData("""{"issuers":[{"name":"i","issuer":"https://i","login":{"clientId":"cli"},"rules":[{"name":"a","claims":{"sub":"x"},"scopes":"push"}]}]}""",
        "$.issuers[0].login.clientId: the ID tokens of a login name 'cli' in 'aud', which is no audience of this issuer")]
    [InlineData("{}", "$.issuers")]
    public void What_is_wrong_is_told_with_its_place(string json, string fault) =>
        Assert.Contains(fault, Assert.Throws<StartupException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void How_people_log_in_at_an_issuer_is_what_the_server_tells_clients()
    {
        var rules = Read("""
            {"issuers":[{"name":"people","issuer":"https://i.example.org","audience":["cli","cache"],
              "login":{"clientId":"cli","scopes":["openid","groups"]},
              "rules":[{"name":"a","claims":{"groups":"ops"},"scopes":"push"}]},
             {"name":"jobs","issuer":"https://j.example.org","rules":[{"name":"b","claims":{"sub":"x"},"scopes":"push"}]}]}
            """);

        var told = LoginOffer.Of(rules.Issuers, new Uri("https://cache.example.org"));

        // Jobs of both issuers ask for what is no client of people.
        Assert.Equal("https://cache.example.org", told.Audience);
        Assert.Equal(("people", "https://i.example.org", "cache", "cli"), (told.Issuers[0].Name, told.Issuers[0].Issuer,
            told.Issuers[0].Audience, told.Issuers[0].ClientId));
        Assert.Equal(["openid", "groups"], told.Issuers[0].Scopes!);
        Assert.Equal(("https://cache.example.org", null), (told.Issuers[1].Audience, told.Issuers[1].ClientId));
    }

    [Theory]
    [InlineData("""{"cn":"builder"}""", true)]
    [InlineData("""{"cn":"builder","dns":"*.example.org"}""", false)]
    [InlineData("""{"ou":"Builders"}""", false)]
    public void A_rule_by_the_common_name_alone_is_warned_of(string claims, bool isDoubted)
    {
        var rules = Read($$$"""{"certificates":{"rules":[{"name":"a","claims":{{{claims}}},"scopes":"push"}]}}""").Certificates!;

        var doubts = RuleDoubts.OfCertificates(rules).ToList();

        Assert.Equal(isDoubted ? 1 : 0, doubts.Count);
        Assert.All(doubts, doubt => Assert.Contains("the rule 'a' matches by 'cn' alone", doubt, StringComparison.Ordinal));
    }

    private static AccessRules Read(string json) =>
        AccessFile.Parse(Encoding.UTF8.GetBytes(json), "/etc/access.json", new Uri("https://cache.example.org/"));
}
