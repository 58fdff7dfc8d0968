using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Configuration;
using Orleans.Dashboard;
using OrleansCache.Grains;

namespace OrleansCache.Silo;

/// <summary>
/// This process's silo, in a host of its own: it starts while the database does, and the server serves without it when its cluster does not
/// take it in. What cannot start is tried again.
/// </summary>
public sealed partial class SiloHost : IAsyncDisposable
{
    /// <summary>After this a server that was to be a member serves without its cluster.</summary>
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

    /// <summary>Starts it in the background.</summary>
    /// <param name="options">What silo it is.</param>
    /// <param name="engine">Serves the contracts through its grains from when it has joined.</param>
    /// <param name="begin">Before this it does nothing.</param>
    /// <param name="catalog">The catalog's connection string, once its tables are there.</param>
    /// <param name="logging">Where the log goes.</param>
    /// <param name="log">Gets what the silo itself has to tell.</param>
    public static SiloHost Start(CacheSiloOptions options, ClusterEngine engine, Task begin, Task<string> catalog,
        Action<ILoggingBuilder> logging, ILogger log) => new(options, engine, begin, catalog, logging, log);

    /// <summary>Returns when it is a member, or after a while all the same, which is told once.</summary>
    public async Task WaitUntilJoinedAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        if (await Task.WhenAny(_joined.Task, Task.Delay(patience, cancellationToken)) == _joined.Task)
            return;
        cancellationToken.ThrowIfCancellationRequested();
        _hasTold = true;
        LogAlone(_options.ClusterId ?? "of one", (int)patience.TotalSeconds, _failure ?? "no silo has answered yet");
    }

    /// <summary>The dashboard's services, which live in the silo, for a web application that shows it.</summary>
    public async Task AddDashboardAsync(IServiceCollection services)
    {
        foreach (var type in await _dashboard.Task)
            services.AddTransient(type, _ =>
                (_host ?? throw new InvalidOperationException("The silo is not there.")).Services.GetRequiredService(type));
        services.Configure<DashboardOptions>(SetDashboard);
    }

    /// <summary>Leaves the cluster. Once more does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        // Without a catalog the server never served, and ends.
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
            // The others notice that it is gone.
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
        // Its placement tells of every attempt; and the silo warns twice that the heap is not a server's, which is how it is meant to be.
        builder.Logging.AddFilter("Polly", LogLevel.Warning);
        builder.Services.Configure<LoggerFilterOptions>(filters =>
        {
            // A silo that is not taken in tells of it a hundred times; we tell it once.
            filters.Rules.Add(new LoggerFilterRule(null, "Orleans.", LogLevel.Warning, (_, _, _) => HasJoined));
            filters.Rules.Add(new LoggerFilterRule(null, "Microsoft.", LogLevel.Warning, (_, _, _) => HasJoined));
            filters.Rules.Add(new LoggerFilterRule(null, "Orleans.Runtime.Silo", LogLevel.Warning, (_, category, level) => HasJoined
                && (category != "Orleans.Runtime.Silo" || level >= LogLevel.Error)));
            filters.Rules.Add(new LoggerFilterRule(null, WatchdogLog.Category, LogLevel.Warning, (_, _, level) =>
                _watchdogLog.Takes(level)));
        });
        // Signals are the server's.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddSingleton<IIncomingGrainCallFilter>(_metrics);
        builder.UseOrleans(silo =>
        {
            if (_options.ClusterId is { } cluster)
                Join(silo, cluster);
            else
                BeAlone(silo);
            ClusterTables.Use(silo, _catalog, hasMembers: _options.ClusterId is not null);
            silo.AddCacheGrains(_engine);
            // The spans of a request go on in the grains that it calls, wherever they are.
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
        // No gateway of Orleans: clients speak HTTP, and the gateway is in this process.
        silo.Configure<EndpointOptions>(endpoint => (endpoint.AdvertisedIPAddress, endpoint.SiloPort, endpoint.GatewayPort) =
            (_options.Endpoint.Address, _options.Endpoint.Port, 0));
        MembershipTimes.Tune(silo);
        if (_options.Tls is { } tls)
            SiloConnections.Use(silo, tls);
    }

    private void BeAlone(ISiloBuilder silo)
    {
        // The port is a name only: nobody listens.
        silo.UseLocalhostClustering(_options.Endpoint.Port, gatewayPort: 0, serviceId: ServiceId, clusterId: "one");
        silo.Configure<SiloOptions>(options => options.SiloName = Environment.MachineName);
        // A cache of where grains live is sized for a fleet, and all of them live here.
        silo.Configure<GrainDirectoryOptions>(directory => directory.CacheSize = 1000);
    }

    // No stream of the log: who may push may see figures, not everything.
    private static void SetDashboard(DashboardOptions dashboard) => (dashboard.HideTrace, dashboard.CounterUpdateIntervalMs) = (true, 5000);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "This server is no member of cluster {Cluster} after {Seconds} s and serves without it, which is as safe and less " +
        "quick ({Failure}). It goes on trying; see that the members reach each other's --silo-address and --silo-port, and have " +
        "certificates of one authority.")]
    private partial void LogAlone(string cluster, int seconds, string failure);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The silo of this server does not start; it serves without it, and collects garbage only when asked ({Failure}). It goes on trying.")]
    private partial void LogNotStarted(string failure);

    [LoggerMessage(Level = LogLevel.Information, Message = "This server is a member of cluster {Cluster} now.")]
    private partial void LogJoined(string cluster);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "This server has not left its cluster in order; the others notice it within seconds: {Failure}")]
    private partial void LogNotLeft(string failure);

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
