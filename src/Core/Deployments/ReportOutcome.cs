namespace OrleansCache.Core.Deployments;

/// <summary>What <c>report_deployment</c> answers.</summary>
internal enum ReportOutcome
{
    Noted,

    /// <summary>There is no such pin.</summary>
    Unknown,

    /// <summary>The cache has the most rows.</summary>
    Full,
}
