using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

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
}
