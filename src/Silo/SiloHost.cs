using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Configuration;
using Orleans.Dashboard;
using OrleansCache.Grains;

namespace OrleansCache.Silo;

/// <summary>
/// This process's silo, in a host of its own. It starts while the database does and is tried again when it cannot start; the server serves
/// without it as long as its cluster does not accept it.
/// </summary>
public sealed partial class SiloHost : IAsyncDisposable
{
    /// <summary>After this time a server that has not joined its cluster serves without it.</summary>
    public static readonly TimeSpan JoinPatience = TimeSpan.FromSeconds(30);

    private const string ServiceId = "orleans-cache";
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);

    private readonly CacheSiloOptions _options;
    private readonly ClusterEngine _engine;
    private readonly Task<string> _catalog;
    private readonly Action<ILoggingBuilder> _logging;
    private readonly ILogger _log;
    private readonly WatchdogLog _watchdogLog = new(TimeProvider.System);
    private readonly SiloMetrics _metrics;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _joined = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<IReadOnlyList<Type>> _dashboard = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _running;
    private volatile IHost? _host;
    private volatile string? _failure;
    private volatile bool _hasTold;

    private SiloHost(CacheSiloOptions options, ClusterEngine engine, Task begin, Task<string> catalog, Action<ILoggingBuilder> logging,
        ILogger log)
    {
        (_options, _engine, _catalog, _logging, _log) = (options, engine, catalog, logging, log);
        _metrics = new SiloMetrics(() => _host?.Services.GetService<ISiloStatusOracle>());
        _running = Task.Run(() => RunAsync(begin));
    }

    private bool HasJoined => _joined.Task.IsCompleted;

    /// <summary>Starts the silo in the background.</summary>
    /// <param name="options">The options of the silo.</param>
    /// <param name="engine">Serves the contracts through the silo's grains once it has joined.</param>
    /// <param name="begin">The silo starts when this is done.</param>
    /// <param name="catalog">The catalog's connection string, once its tables are there.</param>
    /// <param name="logging">Where the log goes.</param>
    /// <param name="log">Gets this class's own messages.</param>
    public static SiloHost Start(CacheSiloOptions options, ClusterEngine engine, Task begin, Task<string> catalog,
        Action<ILoggingBuilder> logging, ILogger log) => new(options, engine, begin, catalog, logging, log);

    /// <summary>Returns when the silo is a member, or when the patience is over, which it logs once.</summary>
    public async Task WaitUntilJoinedAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        if (await Task.WhenAny(_joined.Task, Task.Delay(patience, cancellationToken)) == _joined.Task)
            return;
        cancellationToken.ThrowIfCancellationRequested();
        _hasTold = true;
        LogAlone(_options.ClusterId ?? "of one", (int)patience.TotalSeconds, _failure ?? "no silo has answered yet");
    }

    /// <summary>Adds the dashboard's services, which live in the silo, to a web application that shows it.</summary>
    public async Task AddDashboardAsync(IServiceCollection services)
    {
        foreach (var type in await _dashboard.Task)
            services.AddTransient(type, _ =>
                (_host ?? throw new InvalidOperationException("The silo is not there.")).Services.GetRequiredService(type));
        services.Configure<DashboardOptions>(SetDashboard);
    }

    /// <summary>Leaves the cluster. A second call does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        // A server without a catalog never served, and its process ends.
        if (_running.IsCompleted || !_catalog.IsCompletedSuccessfully)
            return;
        await _stopping.CancelAsync();
        await _running;
        ClusterTables.Disconnect(await _catalog);
        _metrics.Dispose();
        _stopping.Dispose();
    }

    private async Task RunAsync(Task begin)
    {
        var stop = _stopping.Token;
        await begin.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var failed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _host = Build(reason => failed.TrySetException(new OrleansException(reason)));
                await await Task.WhenAny(_host.StartAsync(stop), failed.Task);
                _watchdogLog.Start();
                _joined.TrySetResult();
                if (_hasTold)
                    LogJoined(_options.ClusterId ?? "of one");
                await Task.Delay(Timeout.InfiniteTimeSpan, stop);
            }
            catch (Exception e) when (!stop.IsCancellationRequested)
            {
                _failure = e.GetBaseException().Message.ReplaceLineEndings(" ");
                _dashboard.TrySetException(e);
                if (_options.ClusterId is null && !_hasTold)
                {
                    _hasTold = true;
                    LogNotStarted(_failure);
                }
            }
            catch (Exception)
            {
                // Stopping.
            }

            await EndAsync();
            await Task.Delay(Retry, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task EndAsync()
    {
        _engine.Detach();
        if (_host is not { } host)
            return;
        try
        {
            using var limit = new CancellationTokenSource(StopPatience);
            await host.StopAsync(limit.Token);
            await (host is IAsyncDisposable disposable ? disposable.DisposeAsync() : ValueTask.CompletedTask);
        }
        catch (Exception e) when (HasJoined)
        {
            // The other members notice that it is gone.
            LogNotLeft(e.GetBaseException().Message.ReplaceLineEndings(" "));
        }
        catch (Exception)
        {
            // It never was a member.
        }

        _host = null;
    }

    private IHost Build(Action<string> fail)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "orleans-cache-server" });
        _logging(builder.Logging);
        // Polly logs each attempt at placement. The silo also warns twice that the heap is not a server's, which is intended.
        builder.Logging.AddFilter("Polly", LogLevel.Warning);
        builder.Services.Configure<LoggerFilterOptions>(filters =>
        {
            // A silo that cannot join warns a hundred times; we warn once.
            filters.Rules.Add(new LoggerFilterRule(null, "Orleans.", LogLevel.Warning, (_, _, _) => HasJoined));
            filters.Rules.Add(new LoggerFilterRule(null, "Microsoft.", LogLevel.Warning, (_, _, _) => HasJoined));
            filters.Rules.Add(new LoggerFilterRule(null, "Orleans.Runtime.Silo", LogLevel.Warning, (_, category, level) => HasJoined
                && (category != "Orleans.Runtime.Silo" || level >= LogLevel.Error)));
            filters.Rules.Add(new LoggerFilterRule(null, WatchdogLog.Category, LogLevel.Warning, (_, _, level) =>
                _watchdogLog.Takes(level)));
        });
        // The server's host handles signals.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddSingleton<IIncomingGrainCallFilter>(_metrics);
        builder.UseOrleans(silo =>
        {
            if (_options.ClusterId is { } cluster)
                Join(silo, cluster);
            else
                BeAlone(silo);
            ClusterTables.Use(silo, _catalog, hasMembers: _options.ClusterId is not null);
            silo.AddCacheGrains(_engine).AddDocumentStorage(ClusterTables.Documents);
            // A request's spans continue in the grains that it calls, in any process.
            silo.AddActivityPropagation();
            if (_options.HasDashboard)
                silo.AddDashboard(SetDashboard);
        });
        builder.Services.Replace(ServiceDescriptor.Singleton<IFatalErrorHandler>(new EndOfSilo(() => HasJoined, fail)));
        if (_options.ClusterId is null)
            NoListener.Use(builder.Services);
        _dashboard.TrySetResult([.. builder.Services.Where(s => !s.IsKeyedService && !s.ServiceType.IsGenericType
            && s.ServiceType.Assembly == typeof(DashboardOptions).Assembly).Select(s => s.ServiceType).Distinct()]);
        return builder.Build();
    }

    private void Join(ISiloBuilder silo, string cluster)
    {
        silo.Configure<ClusterOptions>(options => (options.ClusterId, options.ServiceId) = (cluster, ServiceId));
        silo.Configure<SiloOptions>(options => options.SiloName = $"{Environment.MachineName}:{_options.Endpoint.Port}");
        // No gateway of Orleans: clients speak HTTP, to the gateway in this process.
        silo.Configure<EndpointOptions>(endpoint => (endpoint.AdvertisedIPAddress, endpoint.SiloPort, endpoint.GatewayPort) =
            (_options.Endpoint.Address, _options.Endpoint.Port, 0));
        MembershipTimes.Tune(silo);
        if (_options.Tls is { } tls)
            SiloConnections.Use(silo, tls);
    }

    private void BeAlone(ISiloBuilder silo)
    {
        // The port is a name only; nothing listens.
        silo.UseLocalhostClustering(_options.Endpoint.Port, gatewayPort: 0, serviceId: ServiceId, clusterId: "one");
        silo.Configure<SiloOptions>(options => options.SiloName = Environment.MachineName);
        // By default the cache of grains' addresses has the size for a fleet; here all grains are local.
        silo.Configure<GrainDirectoryOptions>(directory => directory.CacheSize = 1000);
    }

    // No stream of the log: whoever may push may see figures, not everything.
    private static void SetDashboard(DashboardOptions dashboard) => (dashboard.HideTrace, dashboard.CounterUpdateIntervalMs) = (true, 5000);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "This server is not a member of cluster {Cluster} after {Seconds} s ({Failure}). It serves without the cluster, as " +
        "safely but more slowly, and keeps trying to join. Check that the members reach each other's --silo-address and --silo-port, and " +
        "have certificates of one authority.")]
    private partial void LogAlone(string cluster, int seconds, string failure);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The silo of this server does not start ({Failure}). The server serves without it, collects garbage only when " +
        "asked, and keeps trying.")]
    private partial void LogNotStarted(string failure);

    [LoggerMessage(Level = LogLevel.Information, Message = "This server is a member of cluster {Cluster} now.")]
    private partial void LogJoined(string cluster);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "This server did not leave its cluster in order; the other members notice that within seconds: {Failure}")]
    private partial void LogNotLeft(string failure);

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
