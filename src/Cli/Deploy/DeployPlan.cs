using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Deploy;

/// <summary>What a machine does with a pin.</summary>
internal sealed record DeployPlan
{
    public required PinName Pin { get; init; }

    /// <summary>The profile whose generations are the deployments; a link, beside which the note and the lock lie.</summary>
    public required string Profile { get; init; }

    /// <summary>The command that takes a generation over; null: none does.</summary>
    public string? Switch { get; init; }

    /// <summary>The command that tells by its exit code whether what was switched to works; null: it does.</summary>
    public string? Health { get; init; }

    /// <summary>How long the health command may fail.</summary>
    public TimeSpan HealthTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A revision that failed before is tried again.</summary>
    public bool Retries { get; init; }

    /// <summary>Options of Nix for fetching, such as a substituter.</summary>
    public IReadOnlyList<string> NixOptions { get; init; } = [];

    public string Note => Profile + ".deploy.json";

    public string Lock => Profile + ".deploy.lock";
}

/// <summary>What a pin leads to.</summary>
/// <param name="Revision">Null: the server told the path alone.</param>
internal sealed record DeployTarget(StorePath Path, long? Revision)
{
    public string FullPath => $"{StorePath.StoreDir}/{Path.BaseName}";

    public override string ToString() => Revision is { } revision
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{FullPath} (revision {revision})") : FullPath;
}

/// <summary>How a turn ended.</summary>
internal enum TurnOutcome
{
    /// <summary>It was in place already.</summary>
    InPlace,

    Deployed,

    /// <summary>It failed in an earlier turn, and the pin has not moved since.</summary>
    FailedBefore,

    RolledBack,

    NotRolledBack,
}
