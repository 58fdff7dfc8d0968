using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Caches;

/// <summary>
/// Two caches under load at once: one runs over its quota, the other's key is rotated, and a token of each tries the other. Nothing crosses,
/// and nothing that was acknowledged is lost.
/// </summary>
public sealed class CachesUnderLoadTests
{
    private const int Pushers = 4;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(12);
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Two_caches_under_load_neither_cross_nor_lose_anything()
    {
        await using var gateway = await CachesGateway.StartAsync(works: true);
        await gateway.MakeAsync("left");
        await gateway.MakeAsync("right", """{"quotaBytes":60000,"private":true}""");
        var (left, right) = (await gateway.TokenAsync("left"), await gateway.TokenAsync("right"));
        var kept = new ConcurrentDictionary<(string Cache, string Name), string>();
        var refused = new ConcurrentDictionary<string, int>();
        var crossed = new ConcurrentQueue<string>();
        var end = DateTime.UtcNow + Duration;

        var work = new List<Task>();
        for (var pusher = 0; pusher < Pushers; pusher++)
        {
            work.Add(PushAllAsync("left", left, pusher));
            work.Add(PushAllAsync("right", right, pusher));
        }

        work.Add(TrespassAsync(left, "right", "left"));
        work.Add(TrespassAsync(right, "left", "right"));
        await Task.Delay(Duration / 4);
        using (var rotated = await gateway.SendAsync(HttpMethod.Post, "/v1/caches/left/keys", left, """{"replaces":true}"""))
            Assert.Equal(HttpStatusCode.Created, rotated.StatusCode);
        await Task.WhenAll(work);

        Assert.Empty(crossed);
        Assert.False(refused.ContainsKey("left"));
        Assert.True(refused.GetValueOrDefault("right") > 0, "the quota was never met");
        Assert.True(kept.Keys.Count(k => k.Cache == "left") > 5 && kept.Keys.Any(k => k.Cache == "right"), $"{kept.Count} pushes");

        // The rotation ends, and all of it has both signatures.
        await Eventually.BecomesTrueAsync(async () => (await gateway.Core.Caches.ListKeysAsync(CachesGateway.NameOf("left"), None)).Keys
            .All(k => !k.Signing), TimeSpan.FromMinutes(1), () => "the rotation has not ended");
        var keys = (await gateway.Core.Caches.ListKeysAsync(CachesGateway.NameOf("left"), None)).Keys;
        Assert.Equal([KeyState.Verifying, KeyState.Active], keys.Select(k => k.State));
        foreach (var ((cache, name), text) in kept)
        {
            using var read = await gateway.SendAsync(HttpMethod.Get, $"/c/{cache}/{World.Hash(name)}.narinfo", cache == "left" ? left : right);
            Assert.True(read.StatusCode == HttpStatusCode.OK, $"{name} of {cache}: {(int)read.StatusCode}");
            var info = NarInfo.Parse(await read.Content.ReadAsStringAsync());
            if (cache == "left")
                Assert.True(info.Verify(PublicKey.Parse(keys[1].PublicKey)), $"{name} is not signed with the new key");
            using var nar = await gateway.SendAsync(HttpMethod.Get, $"/c/{cache}/{info.Url}", cache == "left" ? left : right);
            Assert.Equal(new TextNar(name, text).Nar, Zstd.Decompress(await nar.Content.ReadAsByteArrayAsync(), 1 << 20));
            Assert.False(Directory.Exists(Path.Combine(gateway.Data, "store", "c")));
            Assert.False(File.Exists(Path.Combine(gateway.Data, "caches", cache == "left" ? "right" : "left", $"{World.Hash(name)}.narinfo")),
                $"{name} of {cache} is in the other cache");
        }

        foreach (var cache in (string[])["left", "right", "default"])
        {
            var findings = new List<string>();
            await foreach (var finding in gateway.Core.Fsck.CheckAsync(CachesGateway.NameOf(cache), new FsckTally(), None))
                findings.Add($"{finding.Kind} {finding.Key} {finding.Detail}");
            Assert.Empty(findings);
        }

        async Task PushAllAsync(string cache, string token, int pusher)
        {
            for (var i = 0; DateTime.UtcNow < end; i++)
            {
                var (name, text) = ($"{cache}-{pusher}-{i}", Text(cache, pusher, i));
                var nar = new TextNar(name, text);
                var closure = JsonSerializer.Serialize(new BeginPush { Roots = [nar.Hash], Paths = [nar.Path()] },
                    ProtocolJson.Default.BeginPush);
                using var begun = await gateway.SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/pushes", token, closure);
                if (begun.StatusCode == HttpStatusCode.RequestEntityTooLarge)
                {
                    refused.AddOrUpdate(cache, 1, static (_, n) => n + 1);
                    await Task.Delay(100);
                    continue;
                }

                Assert.True(begun.StatusCode == HttpStatusCode.Created, await begun.Content.ReadAsStringAsync());
                var push = (await begun.Content.ReadFromJsonAsync(ProtocolJson.Default.PushOpened))!;
                var grant = Assert.Single(push.Uploads);
                using var put = await gateway.SendAsync(HttpMethod.Put, grant.Url!.AbsoluteUri, body: nar.File);
                Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
                using var reported = await gateway.SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/pushes/{push.Id}/uploaded", token,
                    JsonSerializer.Serialize(new UploadReport
                    {
                        Uploads = [new UploadedNar
                        {
                            Upload = grant.Id, FileHash = Sha256Hash.Compute(nar.File), FileSize = nar.File.Length, Md5 = [],
                        }],
                    }, ProtocolJson.Default.UploadReport));
                Assert.True(reported.IsSuccessStatusCode, await reported.Content.ReadAsStringAsync());
                using var committed = await gateway.SendAsync(HttpMethod.Post, $"/v1/caches/{cache}/pushes/{push.Id}/commit", token, "");
                Assert.True(committed.StatusCode == HttpStatusCode.OK, await committed.Content.ReadAsStringAsync());
                kept[(cache, name)] = text;
            }
        }

        async Task TrespassAsync(string token, string theirs, string own)
        {
            for (var i = 0; DateTime.UtcNow < end; i++)
            {
                var name = $"{theirs}-{i % Pushers}-{i}";
                (HttpMethod Method, string Path)[] tries =
                [
                    (HttpMethod.Post, $"/v1/caches/{theirs}/pushes"), (HttpMethod.Get, $"/v1/caches/{theirs}/paths/{World.Hash(name)}"),
                    (HttpMethod.Post, $"/v1/caches/{theirs}/keys"), (HttpMethod.Get, $"/c/{theirs}/pins"),
                ];
                foreach (var (method, path) in tries)
                {
                    using var answer = await gateway.SendAsync(method, path, token, method == HttpMethod.Post ? "{}" : null);
                    if (answer.StatusCode != HttpStatusCode.Forbidden)
                        crossed.Enqueue($"{method} {path}: {(int)answer.StatusCode}");
                }

                using var elsewhere = await gateway.SendAsync(HttpMethod.Get, $"/c/{own}/{World.Hash(name)}.narinfo", token);
                if (elsewhere.StatusCode != HttpStatusCode.NotFound)
                    crossed.Enqueue($"{name} in {own}: {(int)elsewhere.StatusCode}");
                await Task.Delay(20);
            }
        }
    }

    // So much that the quota is met within a few pushes.
    private static string Text(string cache, int pusher, int i) =>
        string.Concat(Enumerable.Range(0, 100).Select(line => $"{cache} {pusher} {i} {line}: {Guid.NewGuid():n}\n"));
}
