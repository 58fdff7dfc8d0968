using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>What lies in the cache is what its narinfos, listings, logs and realisations say.</summary>
[Collection(nameof(FilledFolder))]
public sealed class FolderContentTests(FilledFolder cache)
{
    [NixFact]
    public Task Every_NAR_in_the_directory_is_what_its_signed_narinfo_says() => Content.NarsAsync(cache);

    [NixFact]
    public Task Every_kept_build_log_is_in_the_directory() => Content.LogsAsync(cache);

    [NixFact]
    public Task Listings_in_the_directory_are_those_that_Nix_makes_of_the_NAR() => Content.ListingsAsync(cache);

    [NixFact]
    public Task Each_realisation_in_the_directory_names_a_path_of_the_cache() => Content.RealisationsAsync(cache);
}

/// <inheritdoc cref="FolderContentTests"/>
[Collection(nameof(FilledBucket))]
public sealed class BucketContentTests(FilledBucket cache)
{
    [BucketFact]
    public Task Every_NAR_in_the_bucket_is_what_its_signed_narinfo_says() => Content.NarsAsync(cache);

    [BucketFact]
    public Task Every_kept_build_log_is_in_the_bucket() => Content.LogsAsync(cache);

    [BucketFact]
    public Task Each_realisation_in_the_bucket_names_a_path_of_the_cache() => Content.RealisationsAsync(cache);

    [BucketFact]
    public async Task A_large_NAR_was_uploaded_in_parts_and_none_was_left_open()
    {
        var largest = (await CacheScan.NarInfosAsync(cache.Objects)).MaxBy(info => info.FileSize)!;
        using var http = new HttpClient();
        using var answer = await http.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"{cache.Bucket.Url}/{largest.Url}"));
        // S3 marks the ETag of what was put together of parts.
        Assert.Contains('-', answer.EnsureSuccessStatusCode().Headers.ETag!.Tag);
        Assert.Equal(0, await cache.Bucket.OpenMultipartsAsync());
    }
}

internal static class Content
{
    public static async Task NarsAsync(FilledCache cache)
    {
        Assert.Empty(await CacheScan.FindHolesAsync(cache.Objects));
        Assert.Empty(await CacheScan.FindWrongBytesAsync(cache.Objects, cache.Server.PublicKey));
    }

    public static async Task LogsAsync(FilledCache cache)
    {
        var logs = 0;
        foreach (var path in (await Closures.GetAsync("small")).Paths)
        {
            var local = await NixTool.Installed!.RunAsync("nix-store", ["--read-log", path]);
            if (local.ExitCode != 0) continue;
            var remote = (await NixTool.Installed.RunAsync("nix", ["log", "--store", cache.Substituter, path], settings: "substituters ="))
                .OrThrow();
            Assert.Equal(local.Output, remote.Output);
            logs++;
        }

        // The set's last fifth was built with logs.
        Assert.Equal(10, logs);
    }

    public static async Task ListingsAsync(FilledCache cache)
    {
        foreach (var path in (await Closures.GetAsync("small")).Paths.TakeLast(10))
        {
            using var folder = new TempFolder("oc-nar-");
            (await ProcessRunner.RunAsync("sh", ["-c", $"nix-store --dump {path} > {folder["nar"]}"])).OrThrow();
            var expected = (await NixTool.Installed!.RunAsync("nix", ["nar", "ls", "--json", "--recursive", folder["nar"], "/"]))
                .OrThrow().Output;
            var stored = await DecodedAsync(cache, $"{StorePath.Parse(path).Hash}.ls");
            var listing = JsonNode.Parse(stored)!;
            Assert.Equal(1, (int)listing["version"]!);
            Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), listing["root"]), $"{path}: {stored}");
        }
    }

    public static async Task RealisationsAsync(FilledCache cache)
    {
        var keys = await cache.Objects.KeysAsync("realisations/");
        var set = await Closures.GetAsync("ca");
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            using var realisation = JsonDocument.Parse(await cache.Objects.ReadAsync(key) ?? []);
            Assert.Equal(key, $"realisations/{realisation.RootElement.GetProperty("id").GetString()}.doi");
            var output = StorePath.Parse($"{StorePath.StoreDir}/{realisation.RootElement.GetProperty("outPath").GetString()}");
            Assert.NotNull(await cache.Objects.SizeAsync($"{output.Hash}.narinfo"));
            named.Add(output.ToString());
        }

        Assert.Subset(named, set.Paths.ToHashSet());
    }

    /// <summary>Listings and logs are stored compressed.</summary>
    private static async Task<string> DecodedAsync(FilledCache cache, string key)
    {
        var bytes = await cache.Objects.ReadAsync(key);
        Assert.NotNull(bytes);
        return Encoding.UTF8.GetString(Zstd.Decompress(bytes, 64 << 20));
    }
}
