using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Concurrency;
using Orleans.Configuration;
using Orleans.TestingHost;
using OrleansCache.Grains;
using OrleansCache.Model.Tests;

namespace OrleansCache.ClusterModel.Tests;

/// <summary>
/// Three silos in this process, for one schedule after the other. Filters before and behind every call of a grain make it part of the
/// schedule that it belongs to, which the name of the grain tells.
/// </summary>
internal sealed class ModelCluster : IModelCluster
{
    public const int Silos = 3;

    // Schedules decide how long a call takes.
    private static readonly TimeSpan Patience = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<string, ScheduledGrains> _scopes = new(StringComparer.Ordinal);
    private readonly ServicesByScope[] _engines = [.. Enumerable.Range(0, Silos).Select(_ => new ServicesByScope())];
    private InProcessTestCluster _cluster = null!;
    private int _schedules;

    private ModelCluster()
    {
    }

    public static Task<ModelCluster> Started { get; } = StartAsync();

    public IModelEngines Begin(Schedule schedule) =>
        new ScheduledGrains(this, schedule, string.Create(CultureInfo.InvariantCulture, $"m{Interlocked.Increment(ref _schedules)}"));

    public IGrainFactory GrainsAt(int silo) => Handle(silo).ServiceProvider.GetRequiredService<IGrainFactory>();

    public SiloAddress AddressOf(int silo) => Handle(silo).SiloAddress;

    public ServicesByScope EnginesAt(int silo) => _engines[silo];

    public void Add(string scope, ScheduledGrains grains) => _scopes[scope] = grains;

    public void Remove(string scope) => _scopes.TryRemove(scope, out _);

    private InProcessSiloHandle Handle(int silo) => _cluster.Silos.Single(s => NumberOf(s.Name) == silo);

    private static int NumberOf(string siloName) => siloName[^1] - '0';

    private ScheduledGrains? ScheduleOf(GrainId grain, MethodInfo? method) =>
        method?.DeclaringType?.Assembly == typeof(IPinGrain).Assembly
            ? _scopes.GetValueOrDefault(GrainKey.Parse(grain.Key.ToString()!).Scope) : null;

    private static async Task<ModelCluster> StartAsync()
    {
        var model = new ModelCluster();
        var builder = new InProcessTestClusterBuilder(initialSilosCount: Silos);
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((options, silo) =>
        {
            var number = NumberOf(options.SiloName);
            silo.Services.AddSingleton(TimeProvider.System).AddSingleton(model._engines[number]);
            silo.UseInMemoryReminderService().AddMemoryGrainStorage("memory").AddCatalogStorage().AddDocumentStorage("memory");
            silo.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = Patience);
            silo.Configure<ClientMessagingOptions>(messaging => messaging.ResponseTimeout = Patience);
            silo.AddOutgoingGrainCallFilter(model.CallAsync);
            silo.AddIncomingGrainCallFilter(context => model.AnswerAsync(context, number));
        });
        model._cluster = builder.Build();
        await model._cluster.DeployAsync();
        return model;
    }

    private Task CallAsync(IOutgoingGrainCallContext call) => ScheduleOf(call.TargetId, call.InterfaceMethod) is { } grains
        ? grains.CallAsync(call, IsOneWay(call.InterfaceMethod)) : call.Invoke();

    private Task AnswerAsync(IIncomingGrainCallContext call, int silo) =>
        ScheduleOf(call.TargetId, call.InterfaceMethod) is { } grains ? grains.AnswerAsync(call, IsOneWay(call.InterfaceMethod), silo)
            : call.Invoke();

    private static bool IsOneWay(MethodInfo method) => method.GetCustomAttribute<OneWayAttribute>() is not null;
}
