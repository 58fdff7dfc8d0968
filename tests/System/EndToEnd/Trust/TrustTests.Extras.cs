using System.Text.Json.Nodes;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// Of M: signatures, logs, realisations, listings and debug info come from the publisher of the path that they tell of, and yield to who
/// may pin.
/// </summary>
public sealed partial class TrustTests
{
    private const string HonestLog = "built\n";
    private const string FalseLog = "nothing to see here\n";

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task The_cache_signs_no_bytes_that_never_came(StoreKind store)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("own");
        var push = await Niks3Push.CreateAsync(M, path);

        var signed = await Niks3Push.SendSignAsync(M, push.Id, [path]);

        if (signed.IsSuccess)
            Assert.False(server.Reader.IsSigned(path, signed.Json["signatures"]!.AsObject().SelectMany(s => s.Value!.AsArray())
                .Select(s => (string)s!)), signed.Text);
    }

    [Theory]
    [OnFolder([V1, Niks3], [V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3], [V1, Niks3, NixCopy])]
    public async Task A_log_is_taken_with_a_path_of_its_derivation_only(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest").BuiltWith(HonestLog);
        await Pushing.TryAsync(() => M.PushAsync(m, TrustPath.Make("own") with { LogOf = path.Deriver, Log = FalseLog }));

        await V.PushAsync(v, path);

        Assert.Equal(HonestLog, await server.Reader.LogAsync(path));
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy], [V1, NixCopy])]
    public async Task A_log_of_a_live_path_comes_from_its_publisher(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest").BuiltWith(HonestLog);
        await V.PushAsync(v, path with { Log = null });

        await Pushing.TryAsync(() => m == NixCopy ? AttachAsync(M, path, LogKey(path), FalseLog)
            : M.PushAsync(m, path with { Log = FalseLog }));
        await (v == NixCopy ? AttachAsync(V, path, LogKey(path), HonestLog) : V.PushAsync(v, path));

        Assert.Equal(HonestLog, await server.Reader.LogAsync(path));
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_log_yields_to_that_of_who_may_pin(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var path = TrustPath.Make("honest").BuiltWith(HonestLog);
        await Pushing.TryAsync(() => M.PushAsync(m, TrustPath.Make("own") with { Deriver = path.Deriver, Log = FalseLog }));

        await V1Push.PinnedAsync(D, path, NewPin());

        Assert.Equal(HonestLog, await server.Reader.LogAsync(path));
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy], [V1, NixCopy])]
    public async Task A_realisation_of_a_live_path_comes_from_its_publisher(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest") with { Realisation = RealisationId() };
        await V.PushAsync(v, path with { Realisation = null });
        var lie = path with { RealisationText = $$"""{"outPath":"{{path.Path.BaseName}}","signatures":["nobody"]}""" };

        await Pushing.TryAsync(() => m == NixCopy ? AttachAsync(M, path, RealisationKey(path), lie.RealisationText) : M.PushAsync(m, lie));
        await (v == NixCopy ? AttachAsync(V, path, RealisationKey(path), path.RealisationText) : V.PushAsync(v, path));

        Assert.Equal(path.RealisationText, await server.Reader.TextAsync($"/{RealisationKey(path)}"));
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_realisation_yields_to_that_of_who_may_pin(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var path = TrustPath.Make("honest") with { Realisation = RealisationId() };
        // M's own output, for a derivation that is D's.
        await Pushing.TryAsync(() => M.PushAsync(m, TrustPath.Make("own") with { Realisation = path.Realisation }));

        await V1Push.PinnedAsync(D, path, NewPin());

        Assert.Equal(path.RealisationText, await server.Reader.TextAsync($"/{RealisationKey(path)}"));
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task Debug_info_yields_to_that_of_who_may_pin(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var (path, key) = (TrustPath.Make("honest"), $"debuginfo/{Guid.NewGuid():n}");
        await Pushing.TryAsync(() => PushWithDebugInfoAsync(M, TrustPath.Make("own"), key));

        await PushWithDebugInfoAsync(D, path, key);

        var read = JsonNode.Parse(await server.Reader.TextAsync($"/{key}") ?? "{}");
        Assert.EndsWith((await server.Reader.NarInfoAsync(path))!.Url, (string?)read!["archive"] ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_listing_comes_from_the_push_that_publishes_its_path(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        // Uploaded under none of its pushes, a listing may come from another push of the same client.
        var push = await Niks3Push.CreateAsync(V, path);
        await Pushing.TryAsync(async () => await (await Niks3Push.CreateAsync(M, path with { Listing = FalseListing })).SendExtrasAsync());

        await push.UploadNarsAsync();
        await push.SignAsync();
        await push.CommitAsync();

        if (await server.Reader.TextAsync(path.ListingKey) is not null)
            await server.Reader.AssertListingAsync(path);
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task What_others_have_written_is_served_as_what_it_is_and_as_nothing_else(StoreKind store)
    {
        var server = await servers.On(store);
        var D = await server.PublisherAsync("push", "pin");
        var (path, pin, debugInfo) = (TrustPath.Make("honest").BuiltWith("<script>") with { Realisation = RealisationId() }, NewPin(),
            $"debuginfo/{Guid.NewGuid():n}");
        await V1Push.PinnedAsync(D, path, pin);
        await PushWithDebugInfoAsync(D, TrustPath.Make("other"), debugInfo);
        var nar = (await server.Reader.NarInfoAsync(path))!.Url;

        string[] keys = [path.NarInfoKey, path.ListingKey, LogKey(path), RealisationKey(path), debugInfo, nar, $"pins/{pin}",
            "nix-cache-info", "index.html", "", "nar/none", "v1/caches/default", "v1/caches/none", "api/cache-config", "api/none"];
        await Assert.AllAsync(keys, async key =>
        {
            var answer = await server.Reader.GetAsync($"/{key}");
            Assert.Equal("nosniff", answer.Headers["X-Content-Type-Options"].SingleOrDefault());
            Assert.True(key is "index.html" or "" || !answer.Headers["Content-Type"]
                .Any(t => t.Contains("html", StringComparison.Ordinal)), $"{answer}");
        });
    }

    private static string LogKey(TrustPath path) => $"log/{path.LogDrv!.Value.BaseName}";

    private static string RealisationKey(TrustPath path) => $"realisations/{path.Realisation}.doi";

    /// <summary>As 'nix store copy-log' does: who asks for a path is promised it, and what comes next may be of it.</summary>
    private static async Task AttachAsync(Publisher who, TrustPath path, string key, string text)
    {
        await NixPush.AskAsync(who, path);
        (await NixPush.PutAsync(who, key, text)).OrThrow();
    }

    private static async Task PushWithDebugInfoAsync(Publisher who, TrustPath path, string key)
    {
        (await NixPush.PutAsync(who, key, $$"""{"archive":"../{{NixPush.NarKey(path)}}","member":"lib/debug"}""")).OrThrow();
        await who.PushAsync(NixCopy, path);
    }
}
