using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// H2: whose bytes are taken for whose. On S3 nobody but the client has read them; a directory store's gateway reads all.
/// </summary>
public sealed partial class TrustTests
{
    [Theory]
    [OnBucket([V1, Niks3], [V1, Niks3, NixCopy])]
    public async Task Noise_that_somebody_published_under_a_NAR_hash_is_nobody_elses_NAR(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await Pushing.TryAsync(() => M.PushAsync(m, NoiseUnder(path)));

        await V.PushAsync(v, path);

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnBucket([V1, Niks3], [V1, Niks3])]
    public async Task Noise_that_was_uploaded_and_not_published_is_nobody_elses_NAR(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var noise = await M.OpenAsync(m, NoiseUnder(path));
        await Pushing.TryAsync(noise.UploadAsync);

        await V.PushAsync(v, path);

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnBucket([V1], [V1])]
    public async Task Noise_that_arrives_while_another_waits_for_it_is_not_what_the_other_waited_for(StoreKind store,
        Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var noise = await M.OpenAsync(m, NoiseUnder(path));
        var push = await V.OpenAsync(v, path);

        var uploading = push.UploadAsync();
        await Pushing.TryAsync(noise.UploadAsync);
        await uploading;
        await push.CommitAsync();

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnBucket([Niks3], [V1, Niks3, NixCopy])]
    public async Task Noise_that_goes_live_before_the_commit_does_not_replace_what_the_push_has_uploaded(StoreKind store,
        Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        // The first to claim a NAR waits for nobody.
        var push = await V.OpenAsync(v, path);
        var noise = await M.OpenAsync(m, NoiseUnder(path));
        await push.UploadAsync();

        await Pushing.TryAsync(noise.UploadAsync);
        await Pushing.TryAsync(noise.CommitAsync);
        await push.CommitAsync();

        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnBucket([V1, Niks3], [V1])]
    public async Task A_live_path_whose_NAR_nobody_has_read_is_not_called_present(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await Pushing.TryAsync(() => M.PushAsync(m, path.WithNoise()));

        var push = (V1Push)await V.OpenAsync(v, path);

        Assert.True(push.StateOf(path) != "present" || push.Lists("unverified", path) || push.Lists("conflicts", path),
            push.Opened.ToJsonString());
    }

    [Theory]
    [OnBucket([V1, Niks3], [V1, Niks3, NixCopy])]
    public async Task What_is_pinned_is_what_its_pusher_uploaded_and_not_noise_that_was_there_before(StoreKind store,
        Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await Pushing.TryAsync(() => M.PushAsync(m, path.WithNoise()));

        await AssertPinnedIsWholeAsync(server, D, v, path);
    }

    /// <summary>A path of M's own that says it has V's NAR.</summary>
    private static TrustPath NoiseUnder(TrustPath path) =>
        path.WithNoise() with { Path = TrustPath.NewPath("noise"), ClaimedFileHash = path.FileHash };

    /// <summary>
    /// D pushes and pins. Our own protocol must do both; the others have no words for a conflict, so that they may refuse the pin, but
    /// never pin what is not whole.
    /// </summary>
    private static async Task AssertPinnedIsWholeAsync(TrustServer server, Publisher D, Protocol protocol, TrustPath root)
    {
        var pin = NewPin();
        if (protocol == V1)
        {
            await V1Push.PinnedAsync(D, root, pin);
            Assert.Equal(root.Path.ToString(), await server.Reader.TextAsync($"/pins/{pin}"));
        }
        else if (await Pushing.TryAsync(() => D.PushAsync(protocol, root)) is not null
            || !(await D.PinAsync(protocol, pin, root)).IsSuccess)
        {
            return;
        }

        await server.CollectAsync();
        await server.Reader.AssertWholeAsync(root);
    }
}
