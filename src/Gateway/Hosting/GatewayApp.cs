using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Landing;
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
    /// <param name="systemd">Told when the server stops; null for nobody.</param>
    internal static WebApplication Build(GatewayParts parts, Socket listener, Action<ILoggingBuilder> logging, IServerEngine? engine = null, SystemdNotify? systemd = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "orleans-cache-server" });
        logging(builder.Logging);
        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.CreateBoundListenSocket = _ => listener).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = parts.MaxJsonBytes;
            // Large uploads arrive in large pieces; a slow client stays, one that has stopped for half a minute goes.
            kestrel.Limits.MaxRequestBufferSize = 2 << 20;
            kestrel.Limits.MaxResponseBufferSize = 1 << 20;
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(30));
            kestrel.Limits.MinResponseDataRate = new MinDataRate(bytesPerSecond: 240, gracePeriod: TimeSpan.FromSeconds(30));
            kestrel.Listen((IPEndPoint)listener.LocalEndPoint!, listen => listen.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddSingleton(_ => parts).AddSingleton(parts.Credentials).AddSingleton<IMemoryPoolFactory<byte>, LargeBlocks>().AddRouting();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = DrainTime);
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        OpenApi.AddTo(builder.Services);
        new Observability(Environment.GetEnvironmentVariable).AddTo(builder);
        engine?.AddTo(builder);
        // The parts are those that are served in the end: nothing is made before the engine has had them.
        builder.Services.AddSingleton(s => new Drain(parts.DrainDelay, s.GetRequiredService<IHostApplicationLifetime>(), systemd, parts.Time)).AddSingleton<IHostLifetime>(s => s.GetRequiredService<Drain>());
        builder.Services.AddSingleton<HealthWatch>().AddHostedService(s => s.GetRequiredService<HealthWatch>());
        builder.Services.AddSingleton<LandingSource>().AddHostedService<LandingWriter>();
        builder.Services.AddSingleton(s => new ServerMetrics(parts, s.GetRequiredService<HealthWatch>(), engine is null ? "direct" : "orleans"));

        var app = builder.Build();
        parts = engine?.Over(parts, app.Services) ?? parts;
        var stopping = app.Lifetime.ApplicationStopping;
        app.UseMiddleware<RequestMetrics>();
        app.UseMiddleware<Problems>();
        app.UseRouting();
        app.UseMiddleware<AccessCheck>();
        PushRoutes.Map(app, parts, stopping);
        GcRoutes.Map(app, parts, stopping);
        PinRoutes.Map(app, parts);
        UploadRoutes.Map(app, parts);
        ReadRoutes.Map(app, parts);
        LandingRoutes.Map(app);
        HealthRoutes.Map(app);
        Observability.Map(app);
        app.Services.GetRequiredService<ServerMetrics>();
        app.MapOpenApi("/openapi/{documentName}.json").Needs(Access.Open);
        engine?.Map(app);
        return app;
    }
}
