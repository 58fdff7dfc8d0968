using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// What a push token may do to others, row by row of the table in docs/trust.md. M has a token of the scope <c>push</c>; V has another; D
/// also pins. A test lets M do its worst, and asserts what V, D or a reader gets. What M is answered is of no concern: refused, ignored or
/// accepted, as long as nobody else pays for it.
/// </summary>
public sealed partial class TrustTests(TrustServers servers) : IClassFixture<TrustServers>
{
    /// <summary>Where all are honest: what the others rely on, as M may always be refused.</summary>
    [Theory]
    [OnFolder(v: [V1, Niks3, NixCopy])]
    [OnBucket(v: [V1, Niks3, NixCopy])]
    public async Task What_is_pushed_and_pinned_without_M_is_whole(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var D = await server.PublisherAsync("push", "pin");
        var path = TrustPath.Make("dependency");
        var root = TrustPath.Make("root", path).BuiltWith("built\n") with
        {
            Realisation = RealisationId(),
            Signatures = [Signature("own-1")]
        };
        await D.PushAsync(v, path);

        await D.PushAsync(v, root);
        (await D.PinAsync(v, NewPin(), root)).OrThrow();

        await server.CollectAsync();
        await server.Reader.AssertWholeAsync(root);
        await server.Reader.AssertListingAsync(root);
        Assert.Equal(root.Log, await server.Reader.LogAsync(root));
        Assert.Equal(root.RealisationText, await server.Reader.TextAsync($"/{RealisationKey(root)}"));
    }

    private static string NewPin() => $"p-{Guid.NewGuid():n}";
}
