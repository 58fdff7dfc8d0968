using OrleansCache.Core;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// What stands between the core and the routes, such as a cluster. Its hosted services start when the core runs and before the first request is
/// taken; they stop when the last request is answered and before the core stops.
/// </summary>
public interface IServerEngine
{
    /// <summary>What it puts before and beside the core services.</summary>
    IEngine Core { get; }

    /// <summary>Adds its services to the application that is about to be built.</summary>
    void AddTo(WebApplicationBuilder builder);

    /// <summary>What is served instead of <paramref name="parts"/>.</summary>
    /// <param name="parts">The contracts of the core itself.</param>
    /// <param name="services">Those of the application; nothing has started yet.</param>
    GatewayParts Over(GatewayParts parts, IServiceProvider services);

    /// <summary>Adds routes of its own. Each says what access it needs.</summary>
    void Map(WebApplication app);
}
