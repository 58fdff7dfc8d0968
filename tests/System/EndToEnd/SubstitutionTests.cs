using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Stock Nix gets out of the gateway what the CLI pushed.</summary>
[Collection(nameof(FilledFolder))]
public sealed class GatewaySubstitutionTests(FilledFolder cache)
{
    [NixTheory]
    [MemberData(nameof(Sets.All), MemberType = typeof(Sets))]
    public Task Nix_substitutes_every_path_from_the_gateway(string set) => ReadBack.SetAsync(NixTool.Installed!, cache, set);

    [NewNixTheory]
    [MemberData(nameof(Sets.ForNewer), MemberType = typeof(Sets))]
    public Task A_newer_Nix_substitutes_every_path_from_the_gateway(string nix, string set) =>
        ReadBack.SetAsync(NixTool.Named(nix), cache, set);
}

/// <summary>Stock Nix gets it out of the bucket itself, which knows nothing of gateways.</summary>
[Collection(nameof(FilledBucket))]
public sealed class BucketSubstitutionTests(FilledBucket cache)
{
    [BucketTheory]
    [MemberData(nameof(Sets.All), MemberType = typeof(Sets))]
    public Task Nix_substitutes_every_path_from_the_bucket(string set) => ReadBack.SetAsync(NixTool.Installed!, cache, set);

    [BucketTheory(needsNewNix: true)]
    [MemberData(nameof(Sets.ForNewer), MemberType = typeof(Sets))]
    public Task A_newer_Nix_substitutes_every_path_from_the_bucket(string nix, string set) =>
        ReadBack.SetAsync(NixTool.Named(nix), cache, set);
}
