using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// <c>/livez</c>: the process answers. <c>/readyz</c>: the database and the store answer, and the server is not stopping.
/// <c>/readyz?for=push</c>: pushes would succeed too.
/// </summary>
internal static class HealthRoutes
{
    public static void Map(WebApplication app)
    {
        var watch = app.Services.GetRequiredService<HealthWatch>();
        app.MapGet("/livez", (RequestDelegate)(static http => http.Response.WriteAsync("ok\n"))).Needs(Access.Open);
        app.MapGet("/readyz", (RequestDelegate)(async http =>
        {
            if (await watch.FindTroubleAsync(http.Request.Query["for"] == "push", http.RequestAborted) is { } trouble)
                await Problems.WriteAsync(http, HttpProblem.Unavailable, trouble);
            else
                await http.Response.WriteAsync("ok\n");
        })).Needs(Access.Open);
    }
}
