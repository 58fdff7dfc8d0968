using System.Net;
using System.Text.Json.Nodes;
using static OrleansCache.Gateway.Tests.Protocols.V1.SampleRequests;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

/// <summary>What the texts and numbers of a v1 body may be: all else is a 400 that says where.</summary>
public class EdgeRouteTests
{
    private const string Drv = "0c5b8vw40dy178xlpddw65q9gf1h2186-x.drv";

    [Theory]
    [InlineData("$.paths[0].ca", "\"text:x\"")]
    [InlineData("$.paths[0].ca", "\"fixed:r:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s\\nSig: a:b\"")]
    [InlineData("$.paths[0].ca", "\"\\u0000\"")]
    [InlineData("$.paths[0].ca", "1")]
    [InlineData("$.paths[0].deriver", "\"/nix/store/x\"")]
    [InlineData("$.paths[0].narSize", "9223372036854775808")]
    [InlineData("$.paths[0].narSize", "1.5")]
    [InlineData("$.paths[0].signatures", "1")]
    [InlineData("$.paths[0].signatures", "[[]]")]
    [InlineData("$.realisations", "[{\"id\":\"x\",\"path\":\"0c5b8vw40dy178xlpddw65q9gf1h2186\"}]")]
    [InlineData("$.realisations", "[{\"id\":\"../../x\",\"path\":\"0c5b8vw40dy178xlpddw65q9gf1h2186\"}]")]
    [InlineData("$.realisations", "[{\"id\":\"sha256:00!out\",\"path\":\"0c5b8vw40dy178xlpddw65q9gf1h2186\"}]")]
    public async Task A_begin_that_says_what_nothing_is_called_is_refused(string place, string json)
    {
        await using var gateway = await TestGateway.StartAsync();
        var begin = JsonNode.Parse(Begin)!;
        var (owner, name) = place.StartsWith("$.paths", StringComparison.Ordinal) ? (begin["paths"]![0]!, place["$.paths[0].".Length..])
            : (begin, place[2..]);
        owner[name] = JsonNode.Parse(json);

        using var answer = await gateway.PostAsync(Pushes, begin.ToJsonString());

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(place, (await answer.ProblemAsync()).Detail, StringComparison.Ordinal);
        Assert.Null(gateway.Pushes.Begun);
    }

    [Fact]
    public async Task A_begin_in_the_forms_that_nix_has_is_taken()
    {
        await using var gateway = await TestGateway.StartAsync();
        var begin = JsonNode.Parse(Begin)!;
        var path = begin["paths"]![0]!;
        path["ca"] = $"fixed:r:{NarHash}";
        path["deriver"] = Drv;
        var signature = $"a:{Convert.ToBase64String(new byte[64])}";
        path["signatures"] = new JsonArray(signature, signature, "nonsense", "a:b");
        begin["realisations"] =
            JsonNode.Parse($$"""[{"id":"{{Drv}}^out","path":"{{Hash}}"},{"id":"sha256:{{new string('a', 64)}}!out","path":"{{Hash}}"}]""");

        using var answer = await gateway.PostAsync(Pushes, begin.ToJsonString());

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var begun = gateway.Pushes.Begun!;
        Assert.Equal([signature], begun.Paths[0].Signatures);
        Assert.Equal(($"fixed:r:{NarHash}", 2), (begun.Paths[0].Ca.ToString(), begun.Realisations.Count));
    }

    [Fact]
    public async Task A_list_of_signatures_of_any_length_makes_a_short_list()
    {
        await using var gateway = await TestGateway.StartAsync();
        var begin = JsonNode.Parse(Begin)!;
        begin["paths"]![0]!["signatures"] =
            new JsonArray([.. Enumerable.Range(0, 1000).Select(i => (JsonNode)$"a-{i}:{Convert.ToBase64String(new byte[64])}")]);

        using var answer = await gateway.PostAsync(Pushes, begin.ToJsonString());

        Assert.Equal(64, gateway.Pushes.Begun!.Paths[0].Signatures.Count);
    }
}
