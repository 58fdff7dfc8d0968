using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>What a fenced write may claim when answers are lost, refused or made up by a proxy (rule 5 of the life of a path).</summary>
public sealed class S3FencedWritesTests
{
    private static readonly ObjectHeaders Text = new("text/plain", "no-cache");
    private static readonly ObjectKey Key = ObjectKey.Parse("0.narinfo");
    private static readonly string SlowDown = ScriptedStore.Error("503 Slow Down", "SlowDown");

    [Fact]
    public async Task Success_after_an_attempt_without_an_answer_is_unknown()
    {
        await using var server = new ScriptedStore(null, ScriptedStore.Ok);

        Assert.Equal(FencedOutcome.Unknown, await PutAsync(server));
        Assert.Equal(2, server.Requests);
    }

    [Theory]
    [InlineData("502 Bad Gateway")]
    [InlineData("503 Service Unavailable")]
    [InlineData("504 Gateway Timeout")]
    [InlineData("500 Internal Server Error\n<Error><Code>InternalError</Code></Error>")]
    public async Task What_a_proxy_says_is_no_answer(string answer)
    {
        await using var server = new ScriptedStore(answer, ScriptedStore.Ok);

        Assert.Equal(FencedOutcome.Unknown, await PutAsync(server));
    }

    [Fact]
    public async Task Slow_down_is_an_answer_and_is_tried_again()
    {
        await using var server = new ScriptedStore(SlowDown, ScriptedStore.Error("429 Too Many Requests", "TooManyRequests"),
            ScriptedStore.Ok);

        Assert.Equal(FencedOutcome.Done, await PutAsync(server));
        Assert.Equal(3, server.Requests);
    }

    [Fact]
    public async Task A_request_is_never_repeated_behind_our_back()
    {
        // The second request travels on a connection that was used before, where HTTP clients like to repeat on their own.
        await using var server = new ScriptedStore(ScriptedStore.Ok, null, "200 OK\n<DeleteResult/>");
        using var store = Open(server.Url);
        var fence = DateTimeOffset.UtcNow.AddSeconds(30);
        Assert.Equal(FencedOutcome.Done, await store.PutAsync(Key, new byte[1], Text, fence, default));

        Assert.Equal([FencedOutcome.Unknown], await store.DeleteAsync([Key], fence, default));

        Assert.Equal(3, server.Requests);
    }

    [Fact]
    public async Task A_store_that_cannot_be_reached_has_done_nothing()
    {
        using var store = Open(new Uri($"http://127.0.0.1:{FreePort.Next()}"));

        Assert.Equal(FencedOutcome.Refused, await store.PutAsync(Key, new byte[1], Text, DateTimeOffset.UtcNow.AddSeconds(1), default));
    }

    [Fact]
    public async Task Nothing_is_sent_after_the_fence()
    {
        await using var server = new ScriptedStore(ScriptedStore.Ok);
        using var store = Open(server.Url);

        Assert.Equal(FencedOutcome.Refused, await store.PutAsync(Key, new byte[1], Text, DateTimeOffset.UtcNow.AddSeconds(-1), default));
        Assert.Equal([FencedOutcome.Refused], await store.DeleteAsync([Key], DateTimeOffset.UtcNow.AddSeconds(-1), default));

        Assert.Equal(0, server.Requests);
    }

    [Fact]
    public async Task Attempts_end_at_the_fence()
    {
        await using var busy = new ScriptedStore(SlowDown);
        await using var silent = new ScriptedStore([null]);
        var clock = new SetClock(DateTimeOffset.UtcNow);
        var fence = clock.Now.AddSeconds(20);
        busy.OnRequest = silent.OnRequest = _ => clock.Now += TimeSpan.FromSeconds(6);
        using var busyStore = Open(busy.Url, clock);
        Assert.Equal(FencedOutcome.Refused, await busyStore.PutAsync(Key, new byte[1], Text, fence, default));
        Assert.Equal(4, busy.Requests);

        clock.Now = fence.AddSeconds(-20);
        using var silentStore = Open(silent.Url, clock);
        Assert.Equal(FencedOutcome.Unknown, await silentStore.PutAsync(Key, new byte[1], Text, fence, default));
        Assert.Equal(4, silent.Requests);
    }

    [Fact]
    public async Task A_refusal_for_another_reason_than_the_fence_says_so_unless_an_attempt_is_out()
    {
        await using var server = new ScriptedStore(ScriptedStore.Error("403 Forbidden", "SignatureDoesNotMatch"));
        await using var lost = new ScriptedStore(null, ScriptedStore.Error("403 Forbidden", "SignatureDoesNotMatch"));

        var e = await Assert.ThrowsAsync<ObjectStoreException>(() => PutAsync(server));

        Assert.False(e.IsTransient);
        Assert.Contains("SignatureDoesNotMatch", e.Message, StringComparison.Ordinal);
        Assert.Equal(FencedOutcome.Unknown, await PutAsync(lost));
    }

    [Fact]
    public async Task Each_key_of_a_deletion_has_its_own_outcome()
    {
        string[] keys = ["a", "b", "c", "d"];
        await using var server = new ScriptedStore(
            "200 OK\n<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error><Error><Key>c</Key><Code>InternalError</Code></Error><Error><Key>d</Key><Code>SlowDown</Code></Error></DeleteResult>",
            "200 OK\n<DeleteResult/>");
        using var store = Open(server.Url);

        var outcomes = await store.DeleteAsync([.. keys.Select(ObjectKey.Parse)], DateTimeOffset.UtcNow.AddSeconds(30), default);

        Assert.Equal([FencedOutcome.Done, FencedOutcome.Refused, FencedOutcome.Unknown, FencedOutcome.Done], outcomes);
    }

    [Theory]
    [InlineData("200 OK\n<html><body>Welcome</body></html>")]
    [InlineData("200 OK\n<html>Please log in<br></html>")]
    [InlineData("200 OK\n")]
    public async Task A_deletion_is_not_believed_without_the_stores_own_document(string page)
    {
        await using var server = new ScriptedStore(page);
        using var store = Open(server.Url);

        var outcomes = await store.DeleteAsync([ObjectKey.Parse("a"), ObjectKey.Parse("b")], DateTimeOffset.UtcNow.AddSeconds(30), default);

        Assert.Equal([FencedOutcome.Unknown, FencedOutcome.Unknown], outcomes);
        Assert.All(outcomes, o => Assert.Contains("proxy", o.Answer!.Sentence, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Other_calls_are_tried_again_and_fail_with_the_stores_own_words()
    {
        await using var better = new ScriptedStore(SlowDown, null, "502 Bad Gateway", "404 Not Found");
        using var store = Open(better.Url);
        Assert.Null(await store.HeadAsync(Key, default));
        Assert.Equal(4, better.Requests);

        await using var worse = new ScriptedStore(ScriptedStore.Error("403 Forbidden", "InvalidAccessKeyId"));
        using var refused = Open(worse.Url);
        var e = await Assert.ThrowsAsync<ObjectStoreException>(async () => await refused.ListAsync("", default).GetAsyncEnumerator()
            .MoveNextAsync());
        Assert.False(e.IsTransient);
        Assert.Contains("InvalidAccessKeyId", e.Message, StringComparison.Ordinal);
        Assert.Equal(1, worse.Requests);
    }

    private static async Task<FencedOutcome> PutAsync(ScriptedStore server)
    {
        using var store = Open(server.Url);
        return await store.PutAsync(Key, new byte[10], Text, DateTimeOffset.UtcNow.AddSeconds(30), default);
    }

    private static S3ObjectStore Open(Uri endpoint, TimeProvider? clock = null) =>
        new(new S3Options { Endpoint = endpoint, Bucket = "b", AccessKey = "key", SecretKey = "secret" }, clock);
}
