using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Tests;

/// <summary>Deployments of which nobody has reported any.</summary>
internal sealed class ScriptedDeployments : IDeployments
{
    public Task ReportAsync(CacheName cache, PinName pin, MachineName machine, DeploymentReport report, Caller caller,
        CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<DeploymentList> ListAsync(CacheName cache, CancellationToken cancellationToken) =>
        Task.FromResult(new DeploymentList { Deployments = [] });
}
