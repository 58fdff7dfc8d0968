using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Reads;
using OrleansCache.Gateway.Uploads;
using OrleansCache.Gateway.V1;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The web application: all routes over given parts, on a socket that is bound already.</summary>
public static class GatewayApp
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(30);

    /// <param name="parts">What is served.</param>
    /// <param name="listener">Bound, not yet listening: the port is known, and ours, before anything else is started.</param>
    /// <param name="logging">Where the log goes.</param>
    /// <param name="engine">What stands between the core and the routes; null for nothing.</param>
    public static WebApplication Build(GatewayParts parts, Socket listener, Action<ILoggingBuilder> logging, IServerEngine? engine = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "orleans-cache-server" });
        logging(builder.Logging);
        // These tell the whole URL of each request, which of an upload URL is a credential, and the line of a header that is malformed, which may be a token: at no level is that logged.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning).AddFilter("Microsoft.AspNetCore.Server.Kestrel.BadRequests", LogLevel.Warning);
        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.CreateBoundListenSocket = _ => listener).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            parts.Limits.ApplyTo(kestrel.Limits);
            kestrel.Listen((IPEndPoint)listener.LocalEndPoint!, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddSingleton(_ => parts).AddSingleton(parts.Credentials).AddSingleton<IMemoryPoolFactory<byte>, LargeBlocks>().AddRouting();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = DrainTime);
        builder.Services.Configure<ConsoleLifetimeOptions>(console => console.SuppressStatusMessages = true);
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        RequestRates.AddTo(builder.Services, parts.Limits);
        OpenApi.AddTo(builder.Services);
        engine?.AddTo(builder);

        var app = builder.Build();
        parts = engine?.Over(parts, app.Services) ?? parts;
        var stopping = app.Lifetime.ApplicationStopping;
        app.UseMiddleware<Problems>();
        app.UseRouting();
        app.UseMiddleware<AccessCheck>();
        app.UseRateLimiter();
        PushRoutes.Map(app, parts, stopping);
        GcRoutes.Map(app, parts, stopping);
        PinRoutes.Map(app, parts);
        TokenRoutes.Map(app, parts);
        UploadRoutes.Map(app, parts);
        ReadRoutes.Map(app, parts);
        HealthRoutes.Map(app, parts, stopping);
        app.MapOpenApi("/openapi/{documentName}.json").Needs(Access.Open);
        engine?.Map(app);
        return app;
    }
}
