using OrleansCache.Core.Objects;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Hosting;

/// <summary><c>/livez</c>: the process answers. <c>/readyz</c>: the database and the store answer too, its engine is well, and it is not stopping.</summary>
internal static class HealthRoutes
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    public static void Map(IEndpointRouteBuilder app, GatewayParts parts, CancellationToken stopping)
    {
        app.MapGet("/livez", (RequestDelegate)(static http => http.Response.WriteAsync("ok\n"))).Needs(Access.Open);
        app.MapGet("/readyz", (RequestDelegate)(async http =>
        {
            var trouble = stopping.IsCancellationRequested ? "The server is stopping." : parts.FindTrouble() ?? await FindTroubleAsync(parts, http.RequestAborted);
            if (trouble is null)
                await http.Response.WriteAsync("ok\n");
            else
                await Problems.WriteAsync(http, HttpProblem.Unavailable, trouble);
        })).Needs(Access.Open);
    }

    private static async Task<string?> FindTroubleAsync(GatewayParts parts, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        var database = AnswersAsync(parts.PingDatabase(limit.Token));
        var store = AnswersAsync(parts.Store.HeadAsync(ObjectKey.NixCacheInfo, limit.Token));
        return (await database, await store) switch
        {
            (true, true) => null,
            (false, true) => "The database does not answer.",
            (true, false) => "The object store does not answer.",
            _ => "Neither the database nor the object store answers.",
        };
    }

    private static async Task<bool> AnswersAsync(Task probe)
    {
        try
        {
            await probe.WaitAsync(Patience);
            return true;
        }
        catch (Exception)
        {
            // Whatever it was: who asks wants to know whether, and the log of the failing requests says why.
            return false;
        }
    }
}
