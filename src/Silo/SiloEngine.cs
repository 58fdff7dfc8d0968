using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using OpenTelemetry.Metrics;
using Orleans.Configuration;
using Orleans.Dashboard;
using OrleansCache.Core;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Grains;

namespace OrleansCache.Silo;

/// <summary>Makes the gateway's application a silo, and serves the contracts through its grains.</summary>
/// <param name="settings">What the silo is.</param>
/// <param name="connectionString">The catalog's PostgreSQL, which also knows the members and the reminders.</param>
internal sealed class SiloEngine(SiloSettings settings, string connectionString) : IServerEngine
{
    private const string ServiceId = "orleans-cache";

    private readonly ClusterEngine _engine = new(TimeProvider.System);
    private readonly WatchdogLog _watchdogLog = new(TimeProvider.System);

    public IEngine Core => _engine;

    public void AddTo(WebApplicationBuilder builder)
    {
        builder.UseOrleans(silo =>
        {
            silo.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (settings.ClusterId, ServiceId));
            silo.Configure<SiloOptions>(options => options.SiloName = $"{Environment.MachineName}:{settings.Endpoint.Port}");
            // No gateway of Orleans: clients speak HTTP, and the gateway is in this process.
            silo.Configure<EndpointOptions>(endpoint => (endpoint.AdvertisedIPAddress, endpoint.SiloPort, endpoint.GatewayPort) = (settings.Endpoint.Address, settings.Endpoint.Port, 0));
            Membership.Tune(silo);
            ClusterTables.Use(silo, connectionString);
            silo.AddCacheGrains(_engine);
            // The spans of a request go on in the grains that it calls, wherever they are.
            silo.AddActivityPropagation();
            if (settings.HasDashboard)
            {
                // No stream of the log: who may push may see figures, not everything.
                silo.AddDashboard(dashboard => (dashboard.HideTrace, dashboard.CounterUpdateIntervalMs) = (true, 5000));
            }
        });
        // Its placement tells of every attempt; and the silo warns twice that the heap is not a server's, which is how it is meant to be.
        builder.Logging.AddFilter("Polly", LogLevel.Warning);
        builder.Services.Configure<LoggerFilterOptions>(filters =>
        {
            filters.Rules.Add(new LoggerFilterRule(null, "Orleans.Runtime.Silo", LogLevel.Warning, static (_, category, level) => category != "Orleans.Runtime.Silo" || level >= LogLevel.Error));
            filters.Rules.Add(new LoggerFilterRule(null, WatchdogLog.Category, LogLevel.Warning, (_, _, level) => _watchdogLog.Takes(level)));
        });
        builder.Services.Replace(ServiceDescriptor.Singleton<IFatalErrorHandler, EndOfSilo>());
        builder.Services.AddSingleton<SiloMetrics>().AddSingleton<IIncomingGrainCallFilter>(s => s.GetRequiredService<SiloMetrics>());
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter("Microsoft.Orleans").AddView(i => SiloMetrics.IsWanted(i) ? null : MetricStreamConfiguration.Drop));
        if (settings.Tls is { } tls)
            builder.Services.AddSingleton(tls).AddSingleton<IConfigureOptions<SiloConnectionOptions>, TlsConnections>();
    }

    public GatewayParts Over(GatewayParts parts, IServiceProvider services)
    {
        services.GetRequiredService<IHostApplicationLifetime>().ApplicationStarted.Register(_watchdogLog.Start);
        var oracle = services.GetRequiredService<ISiloStatusOracle>();
        return parts with
        {
            FindTrouble = () => oracle.CurrentStatus == SiloStatus.Active ? null : $"This silo is not an active member of cluster {settings.ClusterId}: {oracle.CurrentStatus}.",
        };
    }

    public void Map(WebApplication app)
    {
        if (settings.HasDashboard)
            app.MapOrleansDashboard("/dashboard").Needs(Access.Admin);
    }
}
