namespace OrleansCache.Contracts;

/// <summary>
/// The contract of deployments: what machines that follow pins say they run. It is their word alone, and nothing depends on it.
/// </summary>
public interface IDeployments
{
    /// <summary>
    /// Replaces what is known of a machine and a pin; the same report again changes nothing but when the machine was seen.
    /// <see cref="ProblemKind.UnknownPin"/>: there is no such pin; <see cref="ProblemKind.QuotaExceeded"/>: the cache has the most rows.
    /// </summary>
    Task ReportAsync(CacheName cache, PinName pin, MachineName machine, DeploymentReport report, Caller caller,
        CancellationToken cancellationToken);

    /// <summary>All deployments of a cache, by pin and machine.</summary>
    Task<DeploymentList> ListAsync(CacheName cache, CancellationToken cancellationToken);
}
