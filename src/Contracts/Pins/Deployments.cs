using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansCache.Nix;

namespace OrleansCache.Contracts;

/// <summary>How an attempt to deploy ended.</summary>
public enum DeploymentOutcome
{
    /// <summary>The machine runs the path.</summary>
    Deployed,

    /// <summary>The path was switched to and failed; the machine runs the former one again.</summary>
    RolledBack,

    /// <summary>The path could not be fetched, or the former one could not be brought back either.</summary>
    Failed,
}

/// <summary>An attempt of a machine to deploy what a pin leads to.</summary>
public sealed record DeploymentReport
{
    public const int MaxMessage = 1000;

    /// <summary>The pin's revision; absent: the newest of the pin's history that has this path.</summary>
    public long? Revision { get; init; }

    /// <summary>The path that was to be deployed.</summary>
    public required StorePath Path { get; init; }

    public required DeploymentOutcome Outcome { get; init; }

    /// <summary>Why it failed, on one line of at most 1000 characters.</summary>
    public string? Message { get; init; }

    /// <summary>When it ended, by the machine's clock.</summary>
    public required DateTimeOffset Time { get; init; }
}

/// <summary>What a machine says it runs of a pin.</summary>
public sealed record Deployment
{
    public required PinName Pin { get; init; }

    public required MachineName Machine { get; init; }

    /// <summary>The path that it runs; absent: no attempt has succeeded yet.</summary>
    public StorePath? Path { get; init; }

    /// <summary>Its revision; absent: it is not known.</summary>
    public long? Revision { get; init; }

    /// <summary>Since when it runs that path.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>It does not run what the pin leads to now.</summary>
    public required bool Behind { get; init; }

    /// <summary>Its last attempt.</summary>
    public required DeploymentReport Last { get; init; }

    /// <summary>When it last reported, by the database's clock.</summary>
    public required DateTimeOffset Seen { get; init; }

    /// <summary>Who reported.</summary>
    public required string Publisher { get; init; }
}

/// <summary>Deployments, by pin and machine.</summary>
public sealed record DeploymentList
{
    public required IReadOnlyList<Deployment> Deployments { get; init; }
}

public sealed class DeploymentOutcomeConverter() :
    JsonStringEnumConverter<DeploymentOutcome>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false);
