using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Storage;

namespace OrleansCache.Grains;

public static class GrainHosting
{
    /// <summary>
    /// The grains of the cache over the core services of this process, which the engine was given before; reminders and clustering are the
    /// host's.
    /// </summary>
    public static ISiloBuilder AddCacheGrains(this ISiloBuilder silo, ClusterEngine engine)
    {
        silo.Services.TryAddSingleton(TimeProvider.System);
        silo.Services.AddSingleton(engine.Services);
        silo.AddCatalogStorage();
        return silo.AddStartupTask((services, unused) =>
        {
            var grains = services.GetRequiredService<IGrainFactory>();
            engine.Attach(grains);
            // Not awaited: the grain may live at a silo that is just being lost, and this silo must start all the same.
            _ = Task.Run(() => engine.ArmAsync(grains, services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping),
                CancellationToken.None);
            return Task.CompletedTask;
        });
    }

    /// <summary>Storage <c>catalog</c>, where grains' persisted states are rows of the catalog.</summary>
    internal static ISiloBuilder AddCatalogStorage(this ISiloBuilder silo)
    {
        silo.Services.AddKeyedSingleton<IGrainStorage>(CatalogGrainStorage.Name, (services, _) =>
            new CatalogGrainStorage(services.GetRequiredService<ServicesByScope>()));
        // Orleans logs each refusal of a storage as an error. A grain handles a stale state, and of an outage its caller hears.
        return silo.ConfigureLogging(logging => logging.AddFilter(typeof(CatalogGrainStorage).FullName, LogLevel.Critical));
    }

    /// <summary>Storage <c>documents</c>, for what grains remember and can do without, over the storage that has the rows.</summary>
    /// <param name="rows">The name of that storage.</param>
    public static ISiloBuilder AddDocumentStorage(this ISiloBuilder silo, string rows)
    {
        silo.Services.AddKeyedSingleton<IGrainStorage>(DocumentStorage.Name, (services, _) =>
            ActivatorUtilities.CreateInstance<DocumentStorage>(services, services.GetRequiredKeyedService<IGrainStorage>(rows)));
        // A failure is logged by who goes on without.
        return silo.ConfigureLogging(logging => logging.AddFilter(
            (_, category, level) => category != typeof(DocumentStorage).FullName || level <= LogLevel.Warning));
    }
}
