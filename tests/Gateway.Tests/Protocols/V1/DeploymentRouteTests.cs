using System.Net;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Tests.Protocols.V1;

public class DeploymentRouteTests
{
    private const string Report = """
        {"path":"0c5b8vw40dy178xlpddw65q9gf1h2186-hello","outcome":"rolled-back","message":"why","time":"2030-01-31T12:00:00Z"}
        """;

    [Theory]
    [InlineData("/v1/caches/default/deployments/app/web-1", Report, HttpStatusCode.NoContent)]
    [InlineData("/v1/caches/default/deployments/a%20b/web-1", Report, HttpStatusCode.BadRequest)]
    [InlineData("/v1/caches/default/deployments/app/web%201", Report, HttpStatusCode.BadRequest)]
    [InlineData("/v1/caches/default/deployments/app/web-1", """{"outcome":"deployed","time":"2030-01-31T12:00:00Z"}""", HttpStatusCode.BadRequest)]
    [InlineData("/v1/caches/default/deployments/app/web-1",
        """{"path":"0c5b8vw40dy178xlpddw65q9gf1h2186-hello","outcome":"fine","time":"2030-01-31T12:00:00Z"}""", HttpStatusCode.BadRequest)]
    public async Task A_report_names_a_pin_a_machine_a_path_and_an_outcome(string path, string json, HttpStatusCode expected)
    {
        await using var gateway = await TestGateway.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Put, path)
        {
            Content = new StringContent(json, Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", TestGateway.Token);

        using var answer = await gateway.Client.SendAsync(request);

        Assert.Equal(expected, answer.StatusCode);
    }

    [Fact]
    public void The_pins_of_one_permit_say_nothing_of_the_scope_of_another()
    {
        var credential = new Credential("token:7", Scopes.None)
        {
            Permits = [new Permit(["*"], Scopes.Pin, [PinPattern.Parse("a*")]), new Permit(["*"], Scopes.Deploy)],
        }.In(CacheName.Default);

        Assert.False(credential.AllowsPin(PinName.Parse("b")));
        Assert.True(credential.AllowsDeployment(PinName.Parse("b")));
        Assert.False(new Credential("token:8", Scopes.Pin).AllowsDeployment(PinName.Parse("b")));
    }
}
