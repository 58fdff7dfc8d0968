using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace OrleansCache.Grains;

public static class GrainHosting
{
    /// <summary>The grains of the cache over the core services of this process, which the engine was given before; reminders and clustering are the host's.</summary>
    public static ISiloBuilder AddCacheGrains(this ISiloBuilder silo, ClusterEngine engine)
    {
        silo.Services.TryAddSingleton(TimeProvider.System);
        silo.Services.AddSingleton(engine.Engines);
        return silo.AddStartupTask(async (services, _) =>
        {
            var grains = services.GetRequiredService<IGrainFactory>();
            engine.Attach(grains);
            await engine.ArmAsync(grains);
        });
    }
}
