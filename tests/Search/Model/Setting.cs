using OrleansCache.Core.Common;

namespace OrleansCache.Model.Tests;

/// <summary>What a schedule has for its whole length.</summary>
/// <param name="Retains">Runs of the collector keep closures for <see cref="Policy.Retention"/>.</param>
/// <param name="Policy">What a server reads before it is relied on.</param>
/// <param name="Reads">False: nobody reads anything until all operations have ended.</param>
internal sealed record Setting(Universe Universe, bool Retains, VerifyPolicy Policy = VerifyPolicy.Off, bool Reads = true)
{
    /// <summary>What an upstream of the cache has at first; null: there is none.</summary>
    public IReadOnlyList<string>? Upstream { get; init; }

    public override string ToString() => Universe.Name + (Retains ? ", with retention" : "")
        + (Policy == VerifyPolicy.Off ? "" : $", {Policy}{(Reads ? "" : ", and nobody reads")}")
        + (Upstream is null ? "" : $", upstream of {string.Join(' ', Upstream)}");
}
