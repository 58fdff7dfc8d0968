using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Orleans.Dashboard;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Landing;
using OrleansCache.Gateway.Limits;
using OrleansCache.Gateway.Operations;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Protocols.Attic;
using OrleansCache.Gateway.Protocols.Ncps;
using OrleansCache.Gateway.Protocols.Niks3;
using OrleansCache.Gateway.Protocols.NixCopy;
using OrleansCache.Gateway.Protocols.V1;
using OrleansCache.Gateway.Reads;
using OrleansCache.Gateway.Tls;
using OrleansCache.Gateway.Uploads;
using OrleansCache.Silo;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The web application: all routes over given parts, on a socket that is bound already.</summary>
public static class GatewayApp
{
    private static readonly TimeSpan DrainTime = TimeSpan.FromSeconds(30);

    /// <param name="parts">What is served.</param>
    /// <param name="listener">Bound, not yet listening: the port is known and ours before anything else starts.</param>
    /// <param name="logging">Where the log goes.</param>
    /// <param name="silo">The silo of this process; null for none.</param>
    /// <param name="siloOptions">The options of that silo.</param>
    /// <param name="systemd">Is told when the server stops; null for none.</param>
    /// <param name="edge">What connections meet first; null: plain HTTP, and nobody is believed.</param>
    internal static async Task<WebApplication> BuildAsync(
        GatewayParts parts, Socket listener, Action<ILoggingBuilder> logging, SiloHost? silo = null, CacheSiloOptions? siloOptions = null,
        SystemdNotify? systemd = null, Edge? edge = null)
    {
        edge ??= new Edge();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "orleans-cache-server" });
        logging(builder.Logging);
        // These two log the whole URL of each request, which is the credential of an upload, and the line of a malformed header, which may
        // hold a token. They must not log that at any level.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning)
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel.BadRequests", LogLevel.Warning);
        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.CreateBoundListenSocket = _ => listener).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            parts.Limits.ApplyTo(kestrel.Limits);
            kestrel.Listen((IPEndPoint)listener.LocalEndPoint!, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                edge.Tls?.ApplyTo(listen, edge.Clients);
            });
        });
        builder.Services.AddSingleton(_ => parts).AddSingleton(_ => parts.Limits).AddSingleton(parts.Credentials)
            .AddSingleton<CachePrivacy>(_ => parts.FindPrivacyAsync)
            .AddSingleton<IErrorForm, PlainErrors>().AddSingleton<IErrorForm, AtticErrors>()
            .AddSingleton(_ => new FailedLogins(parts.Limits, parts.Time)).AddSingleton(_ =>
            new BodyBudget(parts.Limits, parts.Time)).AddSingleton<IMemoryPoolFactory<byte>, SocketBufferPool>().AddRouting();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = DrainTime);
        builder.Services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        RequestRates.AddTo(builder.Services, parts.Limits);
        OpenApi.AddTo(builder.Services);
        new Observability(Environment.GetEnvironmentVariable).AddTo(builder);
        if (silo is not null)
            builder.Services.AddOpenTelemetry().WithMetrics(SiloMetrics.Show);
        if (siloOptions is { HasDashboard: true })
            await silo!.AddDashboardAsync(builder.Services);
        builder.Services.AddSingleton(s => new Drain(parts.DrainDelay, s.GetRequiredService<IHostApplicationLifetime>(), systemd,
            parts.Time)).AddSingleton<IHostLifetime>(s => s.GetRequiredService<Drain>());
        builder.Services.AddSingleton<SchemaWatch>().AddHostedService(s => s.GetRequiredService<SchemaWatch>());
        builder.Services.AddSingleton<HealthWatch>().AddHostedService(s => s.GetRequiredService<HealthWatch>());
        builder.Services.AddSingleton<LandingSource>().AddHostedService<LandingWriter>();
        builder.Services.AddSingleton(s => new ServerMetrics(parts, s.GetRequiredService<HealthWatch>(), silo is null ? "direct"
            : "orleans"));

        var app = builder.Build();
        var stopping = app.Lifetime.ApplicationStopping;
        edge.Use(app, parts.Time);
        app.UseMiddleware<RequestMetrics>();
        app.UseMiddleware<Problems>();
        app.UseMiddleware<RelativeLocations>();
        app.UseMiddleware<BrowserGuard>();
        app.UseMiddleware<CacheHosts>();
        app.UseMiddleware<NamesWithQuestionMarks>();
        app.UseRouting();
        app.UseMiddleware<AccessCheck>();
        app.UseRateLimiter();
        Protocols.V1.PushRoutes.Map(app, parts, stopping);
        Protocols.V1.BatchRoutes.Map(app, parts);
        Protocols.V1.GcRoutes.Map(app, parts, stopping);
        PathRoutes.Map(app, parts);
        Protocols.V1.PinRoutes.Map(app, parts);
        TokenRoutes.Map(app, parts);
        CacheRoutes.Map(app, parts);
        AccessRoutes.Map(app, parts);
        AuditRoutes.Map(app, parts);
        DeploymentRoutes.Map(app, parts);
        WithdrawalRoutes.Map(app, parts, stopping);
        PromotionRoutes.Map(app, parts, stopping);
        Niks3Routes.Map(app, parts, stopping);
        AtticRoutes.Map(app, parts);
        UploadRoutes.Map(app, parts);
        ReadRoutes.Map(app, parts, NixCopyReads.SendAsync);
        NixCopyRoutes.Map(app, parts);
        NcpsRoutes.Map(app, parts);
        LandingRoutes.Map(app, parts);
        HealthRoutes.Map(app);
        Observability.Map(app);
        app.Services.GetRequiredService<ServerMetrics>();
        app.MapOpenApi("/openapi/{documentName}.json").Needs(Access.Open);
        if (siloOptions is { HasDashboard: true })
            app.MapOrleansDashboard("/dashboard").Needs(Access.Operator);
        return app;
    }
}
