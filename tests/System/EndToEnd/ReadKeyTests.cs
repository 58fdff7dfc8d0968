using System.Net;
using System.Net.Http.Headers;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A private cache whose NARs come straight from its private bucket.</summary>
public sealed class ReadKeyTests
{
    [UploadUserFact(needsNix: true)]
    public async Task Nix_reads_a_private_cache_by_URLs_of_its_bucket()
    {
        using var home = new TempFolder("oc-home-");
        using var bucket = await ObjectBucket.CreatePrivateAsync(CephServer.Uploader!);
        await using var server = await ServerProcess.StartAsync([.. bucket.ServerOptions, "--private"]);
        await using var closure = await GeneratedClosure.MakeAsync(5);
        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();
        // The bucket has a name of its own, so that Nix sends it no password.
        var url = $"http://localhost:{server.Url.Port}";
        var token = (await File.ReadAllTextAsync(server.TokenFile)).Trim();
        await File.WriteAllTextAsync(home["netrc"], $"machine localhost login ci password {token}\n");

        foreach (var nix in NixTool.All)
            await ReadBack.ClosureAsync(nix, url, server.PublicKey, closure.Root, $"netrc-file = {home["netrc"]}");

        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = server.Url };
        var key = (await bucket.KeysAsync("nar/"))[0];
        using var stranger = await http.GetAsync(key);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var head = await http.SendAsync(new HttpRequestMessage(HttpMethod.Head, key));
        using var redirect = await http.GetAsync(key);
        using var missing = await http.GetAsync($"nar/{new string('0', 52)}.nar.zst");
        using var plain = new HttpClient();
        using var bytes = await plain.GetAsync(redirect.Headers.Location);
        using var direct = await plain.GetAsync($"{bucket.Url}/{key}");

        Assert.Equal(HttpStatusCode.Unauthorized, stranger.StatusCode);
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Equal(HttpStatusCode.TemporaryRedirect, redirect.StatusCode);
        Assert.True(redirect.Headers.CacheControl!.NoStore);
        Assert.StartsWith($"{bucket.Url}/{key}?", redirect.Headers.Location!.AbsoluteUri, StringComparison.Ordinal);
        Assert.Equal(await bucket.ReadAsync(key), await bytes.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, direct.StatusCode);
        var doctor = await CacheCli.RunAsync("doctor", "--url", server.Url.ToString(), "--token-file", server.TokenFile);
        Assert.DoesNotContain("read key", doctor.Output, StringComparison.Ordinal);
    }
}
