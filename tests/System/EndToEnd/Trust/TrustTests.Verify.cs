using System.Net;
using System.Security.Cryptography;
using OrleansCache.Nix;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>What a server reads before others rely on it: on each store, by each protocol that can say it.</summary>
public sealed partial class TrustTests
{
    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task What_is_honest_passes_where_all_is_read(StoreKind store, Protocol v)
    {
        var server = await servers.AlwaysOn(store);
        var V = await server.PublisherAsync("push");
        var dependency = TrustPath.Make("dependency");
        var live = TrustPath.Make("live");
        await V.PushAsync(v, live);
        // A text mentions a path that is live, and declares nothing of the kind.
        var root = TrustPath.Make("root", dependency, live) with { References = [dependency] };

        await V.PushAsync(v, root);

        await server.Reader.AssertWholeAsync(root);
        Assert.Equal("verified", await VerificationAsync(server, root));
        Assert.Equal("verified", await VerificationAsync(server, dependency));
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_reference_that_the_NAR_does_not_have_is_refused_where_all_is_read(StoreKind store, Protocol m)
    {
        var server = await servers.AlwaysOn(store);
        var M = await server.PublisherAsync("push");
        var dependency = TrustPath.Make("dependency");
        var lie = TrustPath.Make("lie") with { References = [dependency] };
        await M.PushAsync(m, dependency);

        await Pushing.TryAsync(() => M.PushAsync(m, lie));

        Assert.Null(await server.Reader.NarInfoAsync(lie));
    }

    [Theory]
    [OnBucket([V1, Niks3])]
    public async Task No_other_bytes_are_signed_where_all_is_read(StoreKind store, Protocol m)
    {
        var server = await servers.AlwaysOn(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        foreach (var lie in Lies(path))
        {
            await Pushing.TryAsync(() => M.PushAsync(m, lie));
            // niks3's clients say nothing of the file, so one of these is no lie of theirs.
            if (await server.Reader.NarInfoAsync(path) is { } info)
                await server.Reader.AssertUsableAsync(info);
        }

        await V.PushAsync(m, path);
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnBucket([V1, Niks3])]
    [OnVersionedBucket([V1, Niks3])]
    public async Task Bytes_that_are_sent_again_after_they_were_read_reach_no_reader(StoreKind store, Protocol m)
    {
        await using var server = await TrustServer.StartAsync(store, "--verify=always");
        var (M, V, _) = await server.PublishersAsync();
        var (path, noise) = (TrustPath.Make("honest"), TrustPath.Make("honest").WithNoise().File);
        var push = (IUrlPush)await M.OpenAsync(m, path);
        await push.UploadAsync();

        // Whoever declares the same waits until a server has read it.
        var theirs = await V.OpenAsync(V1, path);
        await theirs.UploadAsync();
        await Pushing.TryAsync(() => push.SendAgainAsync(path, noise));
        await Pushing.TryAsync(push.CommitAsync);
        await Pushing.TryAsync(() => push.SendAgainAsync(path, noise));
        await theirs.CommitAsync();
        await Pushing.TryAsync(() => push.SendAgainAsync(path, noise));

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_content_address_that_the_NAR_does_not_have_is_refused_where_all_is_read(StoreKind store, Protocol m)
    {
        var server = await servers.AlwaysOn(store);
        var M = await server.PublisherAsync("push");
        var address = ContentAddress.Parse($"fixed:r:sha256:{Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)).ToNix32()}");
        var lie = TrustPath.Make(new StorePath(ContentAddressedPath.HashOf(address, [], false, "lie")!.Value, "lie")) with
        {
            Ca = address.ToString(),
        };

        Assert.NotNull(await Pushing.TryAsync(() => M.PushAsync(m, lie)));

        Assert.Null(await server.Reader.NarInfoAsync(lie));
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_path_that_does_not_follow_from_its_content_address_is_refused_before_it_is_read(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("lie");
        var lie = path with { Ca = $"fixed:r:sha256:{path.NarHash.ToNix32()}" };

        var refused = await Pushing.TryAsync(() => M.PushAsync(m, lie));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused?.Status);
        Assert.Contains("content address", refused?.Text, StringComparison.Ordinal);
        Assert.Null(await server.Reader.NarInfoAsync(lie));
    }

    [Theory]
    [OnFolder([V1, Niks3], [V1, Niks3])]
    [OnBucket([V1, Niks3], [V1, Niks3])]
    public async Task Who_declares_what_the_NAR_refers_to_wins_with_the_dependency_pushed_last(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var dependency = TrustPath.Make("dependency");
        var root = TrustPath.Make("root", dependency);
        await M.PushAsync(m, root with { References = [] });

        await V.PushAsync(v, root);

        await server.Reader.AssertWholeAsync(root);
        Assert.Contains(dependency.Path.ToString(), (await server.Reader.NarInfoAsync(root))!.References.Select(r => r.ToString()));
    }

    [Theory]
    [OnBucket([V1, Niks3])]
    public async Task What_another_group_brought_is_read_and_stored_once(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var theirs = await M.OpenAsync(m, path);
        await theirs.UploadAsync();

        var mine = await V1Push.BeginAsync(V, path);
        Assert.Equal("wait", mine.StateOf(path));
        await mine.UploadAsync();
        await mine.CommitAsync();
        await theirs.CommitAsync();

        await server.Reader.AssertWholeAsync(path);
        Assert.Equal("verified", await VerificationAsync(server, path));
    }

    private static IEnumerable<TrustPath> Lies(TrustPath path)
    {
        yield return path.WithNoise();
        yield return path with { File = path.File[..^10] };
        yield return path with { File = Zstd.Compress([.. path.Nar, .. new byte[64]]) };
        yield return path with { File = [.. path.File, .. path.File] };
        yield return path with { NarSize = path.NarSize - 8 };
        yield return path with { File = ZstdBomb.Make("nix-archive-1"u8, 0, 121, NixWindow) };
        yield return path with { ClaimedFileHash = Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)) };
    }

    private static async Task<string?> VerificationAsync(TrustServer server, TrustPath path) =>
        (string?)(await server.Admin.GetAsync($"{V1Push.Cache}/why/{path.Path.Hash}")).OrThrow().Json["verification"];
}
