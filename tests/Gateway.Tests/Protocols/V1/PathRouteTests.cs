using System.Net;
using System.Net.Http.Json;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class PathRouteTests
{
    private const string Root = "/v1/caches/default/paths";
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    private static readonly (string, string) Login = ("Authorization", $"Bearer {TestGateway.Token}");

    [Theory]
    [InlineData(Hash)]
    [InlineData(Hash + "-hello")]
    public async Task A_path_is_told_by_its_hash_or_base_name(string path)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync($"{Root}/{path}", Login);

        var life = (await answer.Content.ReadFromJsonAsync(ProtocolJson.Default.PathLife))!;
        Assert.Equal(($"{Hash}-hello", "live", 7L), (life.Path.BaseName, life.State, life.Nar!.Size));
    }

    [Theory]
    [InlineData("glibc", HttpStatusCode.BadRequest, "bad-request")]
    [InlineData(Hash, HttpStatusCode.NotFound, "unknown-path")]
    public async Task What_is_no_path_or_was_never_here_is_told(string path, HttpStatusCode status, string name)
    {
        await using var gateway = await TestGateway.StartAsync(parts => parts with
        {
            Paths = new ScriptedPaths
            {
                Failure = new CacheProblemException(ProblemKind.UnknownPath, "It never was here.", [StorePathHash.Parse(Hash)])
            }
        });

        using var answer = await gateway.GetAsync($"{Root}/{path}", Login);

        Assert.Equal((status, $"urn:orleans-cache:error:{name}"), (answer.StatusCode, (await answer.ProblemAsync()).Type));
    }
}
