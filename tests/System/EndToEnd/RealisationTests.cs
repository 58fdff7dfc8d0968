using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>What a content-addressed derivation was built to is known from the cache alone.</summary>
[Collection(nameof(FilledFolder))]
public sealed class GatewayRealisationTests(FilledFolder cache)
{
    [NixFact]
    public async Task Nix_substitutes_a_content_addressed_derivation_from_the_gateway()
    {
        var (derivation, output) = await Realisations.BuildAndPushAsync(cache);
        await ReadBack.DerivationAsync(NixTool.Installed!, cache.Substituter, cache.Server.PublicKey, derivation, output);
    }

    [NewNixFact]
    public async Task A_newer_Nix_substitutes_a_content_addressed_derivation_from_the_gateway()
    {
        var (derivation, output) = await Realisations.BuildAndPushAsync(cache);
        await ReadBack.DerivationAsync(NixTool.Latest!, cache.Substituter, cache.Server.PublicKey, derivation, output);
    }
}

/// <inheritdoc cref="GatewayRealisationTests"/>
[Collection(nameof(FilledBucket))]
public sealed class BucketRealisationTests(FilledBucket cache)
{
    [BucketFact]
    public async Task Nix_substitutes_a_content_addressed_derivation_from_the_bucket()
    {
        var (derivation, output) = await Realisations.BuildAndPushAsync(cache);
        await ReadBack.DerivationAsync(NixTool.Installed!, cache.Substituter, cache.Server.PublicKey, derivation, output);
        if (NixTool.Latest is { } latest)
            await ReadBack.DerivationAsync(latest, cache.Substituter, cache.Server.PublicKey, derivation, output);
    }
}

internal static class Realisations
{
    /// <summary>Builds as <see cref="BuildAsync"/> does, and pushes the last.</summary>
    public static async Task<(string Derivation, string Output)> BuildAndPushAsync(FilledCache cache)
    {
        var built = await BuildAsync();
        (await CacheCli.PushAsync(cache.Server, built.Output)).OrThrow();
        return built;
    }

    /// <summary>Builds three content-addressed derivations in a row, new ones each time.</summary>
    public static async Task<(string Derivation, string Output)> BuildAsync()
    {
        using var folder = new TempFolder("oc-ca-");
        await File.WriteAllTextAsync(folder["ca.nix"], $$"""
            builtins.foldl' (dependency: n: derivation {
              name = "generated-ca-${toString n}"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "/usr/bin:/bin";
              __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
              args = [ "-ec" "mkdir $out; echo {{Guid.NewGuid():n}} ${dependency} > $out/file" ];
            }) "none" [ 1 2 3 ]
            """);
        var nix = NixTool.Installed!;
        var derivation = (await nix.RunAsync("nix-instantiate", [folder["ca.nix"]])).OrThrow().Output.Trim();
        var output = (await nix.RunAsync("nix-store", ["--realise", derivation], settings: "substituters =")).OrThrow().Output.Trim();
        return (derivation, output);
    }
}
