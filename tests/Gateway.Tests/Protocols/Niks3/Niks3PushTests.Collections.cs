using System.Net;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>Pushes beside collections, and after them.</summary>
public abstract partial class Niks3PushTests
{
    [Fact]
    public async Task A_push_that_comes_again_after_a_collection_is_asked_for_all_of_it()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var root = TestPath.Make("root", TestPath.Make("a")).BuiltWith("log\n");
        await client.PushAsync(root);
        await cache.CollectAsync();
        Assert.Null(await cache.NarInfoAsync(root));

        await client.PushAsync(root);

        await cache.AssertPublishedAsync(root);
        Assert.NotNull(await cache.ReadAsync(root.LogKey));
    }

    [Fact]
    public async Task A_collection_during_a_push_takes_nothing_that_the_push_was_promised()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var old = TestPath.Make("old").BuiltWith("old log\n");
        await client.PushAsync(old);
        var root = TestPath.Make("root", old);
        var (ids, pending) = await client.CreateAsync(root);
        await client.UploadAsync(pending, root);

        await cache.CollectAsync();
        await client.SignAsync(ids, pending, root);

        Assert.Equal(HttpStatusCode.NoContent, await client.CompleteAsync(ids[0]));
        await cache.AssertPublishedAsync(old);
        await cache.AssertPublishedAsync(root);
        Assert.NotNull(await cache.ReadAsync(old.LogKey));
    }
}
