using OrleansCache.Core;

namespace OrleansCache.Model.Tests;

/// <summary>Silos, one for each gateway, whose grains stand before the services of them all.</summary>
internal interface IModelCluster
{
    /// <summary>For a schedule that begins.</summary>
    IModelEngines Begin(Schedule schedule);
}

/// <summary>Grains of one schedule; afterwards they do nothing any more.</summary>
internal interface IModelEngines : IDisposable
{
    /// <summary>Of each gateway.</summary>
    IReadOnlyList<IEngine> Engines { get; }

    /// <summary>Ends when no message is under way that nobody waits for.</summary>
    Task SettleAsync();
}
