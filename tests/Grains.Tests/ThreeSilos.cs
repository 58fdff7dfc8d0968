using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;
using Orleans.Storage;
using Orleans.TestingHost;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Testing;

namespace OrleansCache.Grains.Tests;

/// <summary>
/// Three silos in this process for all tests; each world is a scope of its own in them, and its gateways stand at one silo after the other.
/// </summary>
internal static class ThreeSilos
{
    private static readonly Lazy<Task<InProcessTestCluster>> Started = new(StartAsync);
    private static readonly ConditionalWeakTable<World, string> Scopes = [];
    private static int _worlds;
    private static int _gateways;

    public static ServicesByScope Services { get; } = new();

    public static Task<InProcessTestCluster> Cluster => Started.Value;

#pragma warning disable CA2255 // The suites are the same as without a cluster: this is where they get one.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Use()
    {
        World.Engine = world => Engine(ScopeOf(world));
    }

    public static string ScopeOf(World world) =>
        Scopes.GetValue(world, _ => string.Create(CultureInfo.InvariantCulture, $"w{Interlocked.Increment(ref _worlds)}"));

    /// <summary>A gateway at the next silo.</summary>
    public static ClusterEngine Engine(string scope, TimeSpan? patience = null)
    {
        var silos = Started.Value.GetAwaiter().GetResult().Silos;
        var engine = new ClusterEngine(Services, scope, TimeProvider.System, patience);
        engine.Attach(silos[Interlocked.Increment(ref _gateways) % silos.Count].ServiceProvider.GetRequiredService<IGrainFactory>());
        return engine;
    }

    /// <summary>Another activation of each grain of a world: as after a silo was lost that has not noticed yet.</summary>
    public static (ClusterEngine Engine, string Scope, IPins Pins, IGarbageCollection Collection) Second(World world, CacheCore plain)
    {
        var scope = $"{ScopeOf(world)}-second";
        var engine = Engine(scope);
        var over = engine.Over(new CoreServices(plain.Pushes, plain.Pins, plain.Collection, plain.NixCopy, plain.Paths, _ => world.Gc, () => [CacheName.Default]));
        return (engine, scope, over.Pins, over.Collection);
    }

    public static async Task<T> GrainAsync<T>(string scope, string rest) where T : IGrainWithStringKey =>
        (await Cluster).Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>().GetGrain<T>($"{scope}:default/{rest}");

    /// <summary>False: the next call wakes it.</summary>
    public static async Task<bool> IsAwakeAsync(IAddressable grain) =>
        await (await Cluster).Silos[0].ServiceProvider.GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0)
            .GetActiveGrains(grain.GetGrainId().Type) is var awake && awake.Contains(grain.GetGrainId());

    /// <summary>Puts it to sleep, as a silo that leaves does.</summary>
    public static async Task SleepAsync(IAddressable grain)
    {
        await grain.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.BecomesTrueAsync(async () => !await IsAwakeAsync(grain));
    }

    private static async Task<InProcessTestCluster> StartAsync()
    {
        var builder = new InProcessTestClusterBuilder(initialSilosCount: 3);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddSingleton(TimeProvider.System).AddSingleton(Services);
            silo.UseInMemoryReminderService().AddMemoryGrainStorage("memory").AddCatalogStorage().AddDocumentStorage(FailingStorage.Name);
            silo.Services.AddKeyedSingleton<IGrainStorage>(FailingStorage.Name, (services, _) =>
                new FailingStorage(services.GetRequiredKeyedService<IGrainStorage>("memory")));
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return cluster;
    }
}
