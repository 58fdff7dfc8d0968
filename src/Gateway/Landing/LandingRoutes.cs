using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Reads;

namespace OrleansCache.Gateway.Landing;

/// <summary>The page of a cache, at <c>/</c>, <c>/c/{cache}/</c> and, as in the bucket, <c>index.html</c> below each.</summary>
internal static class LandingRoutes
{
    private static readonly string[] GetAndHead = ["GET", "HEAD"];

    public static void Map(WebApplication app, GatewayParts parts)
    {
        var source = app.Services.GetRequiredService<LandingSource>();
        foreach (var pattern in (string[])["/", "/index.html", "/c/{cache}/", "/c/{cache}/index.html"])
        {
            app.MapMethods(pattern, GetAndHead, (RequestDelegate)(async http =>
            {
                if (CacheRequests.Find(http, parts) is not { } view)
                {
                    await ObjectAnswer.NotFoundAsync(http);
                    return;
                }

                // The page's links are relative: without the slash they would lead to another cache.
                if (pattern == "/c/{cache}/" && !http.Request.Path.Value!.EndsWith('/'))
                {
                    http.Response.Redirect(http.Request.Path + "/", permanent: true);
                    return;
                }

                var page = await source.ReadAsync(view, http.RequestAborted);
                http.Response.Headers.ContentSecurityPolicy = LandingPage.ContentSecurityPolicy + "; frame-ancestors 'none'";
                http.Response.Headers.XContentTypeOptions = "nosniff";
                http.Response.Headers["Referrer-Policy"] = "no-referrer";
                await ObjectAnswer.SendAsync(http, ObjectKey.Page, page);
            })).Needs(Access.Read);
        }
    }
}
