using System.Net;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>H3, H4 and H10: what is said of a path is compared, belongs to who publishes it, and yields to who may pin.</summary>
public sealed partial class TrustTests
{
    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1, Niks3])]
    [OnBucket([V1, Niks3, NixCopy], [V1, Niks3])]
    public async Task A_pinned_closure_keeps_the_references_that_its_pusher_declared(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var root = TrustPath.Make("root", TrustPath.Make("dependency"));
        await Pushing.TryAsync(() => M.PushAsync(m, root with { References = [] }));

        await AssertPinnedIsWholeAsync(server, D, v, root);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_live_path_that_lacks_declared_references_is_told_as_a_conflict(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var root = TrustPath.Make("root", TrustPath.Make("dependency"));
        await Pushing.TryAsync(() => M.PushAsync(m, root with { References = [] }));

        var push = (V1Push)await V.OpenAsync(V1, root);

        Assert.True(push.Lists("conflicts", root) || push.StateOf(root) != "present", push.Opened.ToJsonString());
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1, Niks3])]
    [OnBucket([V1, Niks3, NixCopy], [V1, Niks3])]
    public async Task A_path_is_published_under_the_name_that_its_own_push_declared(StoreKind store, Protocol m, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var push = await V.OpenAsync(v, path);
        await push.UploadAsync();

        // As far as the name goes: nothing is published.
        await Pushing.TryAsync(async () => await (await M.OpenAsync(m, path.Renamed("renamed"))).UploadAsync());
        if (m == NixCopy)
            await NixPush.PutAsync(M, path.NarInfoKey, NixPush.NarInfo(TrustPath.Make(path.Path).Renamed("renamed")));
        await push.CommitAsync();

        await server.Reader.AssertWholeAsync(path);
    }

    /// <summary>What M can have said of D's path before D comes.</summary>
    public enum Lie
    {
        Bytes,
        Name,
        Ca,
        Size,
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1, Niks3])]
    [OnBucket([V1, Niks3, NixCopy], [V1, Niks3])]
    public Task A_pin_is_on_the_bytes_that_its_pusher_declared(StoreKind store, Protocol m, Protocol v) =>
        AssertPinnedDespiteAsync(store, m, v, Lie.Bytes);

    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1])]
    [OnBucket([V1, Niks3, NixCopy], [V1])]
    public Task A_pin_is_on_the_name_that_its_pusher_declared(StoreKind store, Protocol m, Protocol v) =>
        AssertPinnedDespiteAsync(store, m, v, Lie.Name);

    [Theory]
    [OnFolder([V1, Niks3, NixCopy], [V1])]
    [OnBucket([V1, Niks3, NixCopy], [V1])]
    public Task A_pin_is_on_the_content_address_that_its_pusher_declared(StoreKind store, Protocol m, Protocol v) =>
        AssertPinnedDespiteAsync(store, m, v, Lie.Ca);

    [Theory]
    [OnBucket([V1, Niks3], [V1])]
    public Task A_pin_is_on_the_size_that_its_pusher_declared(StoreKind store, Protocol m, Protocol v) =>
        AssertPinnedDespiteAsync(store, m, v, Lie.Size);

    // Stock Nix declares nothing of a path that it is told is there: who outranks its publisher has to be told that it is not, or be
    // refused the pin.
    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_pin_after_a_copy_of_stock_Nix_is_on_what_was_copied(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var root = TrustPath.Make("root", TrustPath.Make("dependency"));
        var squatted = TrustPath.Make("squatted");
        await Pushing.TryAsync(() => M.PushAsync(m, root with { References = [] }));
        await Pushing.TryAsync(() => M.PushAsync(m, TrustPath.Make(squatted.Path)));

        await AssertPinnedIsWholeAsync(server, D, NixCopy, root);
        await AssertPinnedIsWholeAsync(server, D, NixCopy, squatted);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_pinned_closure_has_the_dependencies_that_its_pusher_declared(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var dependency = TrustPath.Make("dependency");
        var root = TrustPath.Make("root", dependency);
        // M has published all of it, with another dependency.
        await Pushing.TryAsync(() => M.PushAsync(m, root with { References = [TrustPath.Make(dependency.Path)] }));

        await AssertPinnedIsWholeAsync(server, D, V1, root);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task What_was_superseded_does_not_come_back_and_its_NAR_stays_for_who_remembers_it(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var path = TrustPath.Make("squatted");
        var squatter = TrustPath.Make(path.Path);
        await M.PushAsync(m, squatter);
        var remembered = (await server.Reader.NarInfoAsync(squatter))!;
        await V1Push.PinnedAsync(D, path, NewPin());

        await Pushing.TryAsync(() => M.PushAsync(m, squatter));

        await server.Reader.AssertWholeAsync(path);
        Assert.Equal(HttpStatusCode.OK, (await server.Reader.GetAsync($"/{remembered.Url}")).Status);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task Between_equals_a_pin_does_not_move_onto_other_contents_and_both_are_named(StoreKind store)
    {
        var server = await servers.On(store);
        var (first, second) = (await server.PublisherAsync("push", "pin"), await server.PublisherAsync("push", "pin"));
        var path = TrustPath.Make("disputed");
        await V1Push.PinnedAsync(first, path, NewPin());
        var (other, pin) = (TrustPath.Make(path.Path), NewPin());

        var refused = await Pushing.TryAsync(() => V1Push.PinnedAsync(second, other, pin));

        Assert.Equal(HttpStatusCode.Conflict, refused?.Status);
        Assert.Equal("urn:orleans-cache:error:conflict", (string)refused!.Json["type"]!);
        Assert.Contains(first.Id, refused.Text, StringComparison.Ordinal);
        Assert.Contains(second.Id, refused.Text, StringComparison.Ordinal);
        Assert.Null(await server.Reader.TextAsync($"/pins/{pin}"));
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_path_that_a_pin_of_the_same_rank_keeps_is_not_superseded(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var other = await server.PublisherAsync("push", "pin");
        var path = TrustPath.Make("agreed");
        // M's bytes, which somebody has looked at and pinned: from then on D's word is as good as the other's.
        await M.PushAsync(NixCopy, path);
        (await other.PinAsync(V1, NewPin(), path)).OrThrow();
        var pin = NewPin();

        var refused = await Pushing.TryAsync(() => V1Push.PinnedAsync(D, TrustPath.Make(path.Path), pin));

        Assert.Equal(HttpStatusCode.Conflict, refused?.Status);
        Assert.Null(await server.Reader.TextAsync($"/pins/{pin}"));
        await server.Reader.AssertWholeAsync(path);
    }

    private async Task AssertPinnedDespiteAsync(StoreKind store, Protocol m, Protocol v, Lie lie)
    {
        var server = await servers.On(store);
        var (M, _, D) = await server.PublishersAsync();
        var path = TrustPath.Make("honest") with { Deriver = TrustPath.NewPath("honest.drv") };
        await Pushing.TryAsync(() => M.PushAsync(m, lie switch
        {
            Lie.Bytes => TrustPath.Make(path.Path),
            Lie.Name => path.Renamed("squatted"),
            // One that a server takes of any path, as it cannot compute what follows.
            Lie.Ca => path with { Ca = "fixed:git:sha1:993998wwkrzrcmpp0slxpa0b0cjkc0ff" },
            _ => path with { NarSize = path.NarSize + 8 },
        }));

        await AssertPinnedIsWholeAsync(server, D, v, path);
    }
}
