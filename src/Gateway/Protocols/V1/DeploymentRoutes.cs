using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Parts;
using static OrleansCache.Gateway.Http.RouteHelpers;

namespace OrleansCache.Gateway.Protocols.V1;

/// <summary>What machines say that they run, under <c>/v1/caches/{cache}/deployments</c>.</summary>
internal static class DeploymentRoutes
{
    public static void Map(IEndpointRouteBuilder app, GatewayParts parts)
    {
        var group = app.MapGroup("/v1/caches/{cache}/deployments").WithTags("deployments");

        group.MapGet("", async (string cache, HttpContext http) =>
            {
                var list = await parts.Deployments.ListAsync(Cache(cache), http.RequestAborted);
                return new JsonAnswer<DeploymentList>(new DeploymentList
                {
                    Deployments = [.. list.Deployments.Where(d => http.Credential().AllowsPin(d.Pin))],
                });
            })
            .Needs(Access.Pin).Answers<DeploymentList>(200, "What machines run of the pins that the token is for").Fails(404);

        group.MapPut("/{pin}/{machine}", async (string cache, string pin, string machine, JsonBody<DeploymentReport> body,
            HttpContext http) =>
            {
                var name = Pin(pin);
                http.Credential().DemandDeployment(name);
                await parts.Deployments.ReportAsync(Cache(cache), name, Machine(machine), body.Value, http.Credential().Caller,
                    http.RequestAborted);
                return Results.NoContent();
            })
            .Needs(Access.Deploy).WithSummary("Report what a machine has deployed from a pin").Produces(204).Fails(400, 404, 413);
    }

    private static MachineName Machine(string text) => MachineName.TryParse(text, out var name)
        ? name
        : throw new CacheProblemException(ProblemKind.BadRequest, $"'{text}' is not the name of a machine: {MachineName.Rule}.");
}
