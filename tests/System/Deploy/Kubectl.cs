using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>A kubectl with kustomize 5, which renders the overlays.</summary>
internal static class Kubectl
{
    private static readonly string? Program = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_KUBECTL") is { Length: > 0 } named
        ? named : Programs.Find("kubectl");

    /// <summary>Null when there is one, else why not.</summary>
    public static string? MissingReason => Program is null ? "no kubectl with kustomize 5 (eng/test as root gets one)" : null;

    /// <summary>The YAML documents that <c>kubectl apply -k</c> would send.</summary>
    /// <param name="folder">A folder with a kustomization, from the repository's root.</param>
    public static string Render(string folder) =>
        ProcessRunner.RunAsync(Program ?? throw new InvalidOperationException(MissingReason),
            ["kustomize", Path.Combine(Repository.Root, folder)]).GetAwaiter().GetResult().OrThrow().Output;
}

/// <summary>
/// A test of rendered manifests. Without kubectl it is skipped with the reason; in CI it fails, as nobody reads reasons there.
/// </summary>
public sealed class ManifestFactAttribute : FactAttribute
{
    public ManifestFactAttribute() => Skip = ReasonToSkip;

    internal static string? ReasonToSkip => Environment.GetEnvironmentVariable("CI") == "true" ? null : Kubectl.MissingReason;
}

/// <inheritdoc cref="ManifestFactAttribute"/>
public sealed class ManifestTheoryAttribute : TheoryAttribute
{
    public ManifestTheoryAttribute() => Skip = ManifestFactAttribute.ReasonToSkip;
}
