using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

public sealed class FaultyObjectStoreTests : IDisposable
{
    private static readonly ObjectKey Key = ObjectKey.Parse("a");
    private readonly TempFolder _folder = new();
    private readonly DirectoryObjectStore _inner;

    public FaultyObjectStoreTests() =>
        _inner = new DirectoryObjectStore(new DirectoryOptions
        {
            Root = _folder.Path,
            PublicUrl = new Uri("http://127.0.0.1/"),
            UrlSecret = new byte[32]
        });

    [Theory]
    [InlineData(Fault.Before, false)]
    [InlineData(Fault.After, true)]
    public async Task A_fault_is_before_or_after_the_deed(Fault fault, bool isDone)
    {
        var store = FaultyObjectStore.AtCall(_inner, 2, fault);
        Assert.Null(await store.HeadAsync(Key, default));

        Assert.Equal(FencedOutcome.Unknown, await store.PutAsync(Key, new byte[1], KeyHeaders.For(Key), DateTimeOffset.MaxValue, default));

        Assert.Equal(isDone, await store.HeadAsync(Key, default) is not null);
    }

    [Fact]
    public async Task A_failed_read_throws_instead_of_answering_that_nothing_is_there()
    {
        var store = FaultyObjectStore.AtCall(_inner, 1, Fault.After);

        await Assert.ThrowsAsync<ObjectStoreException>(() => store.HeadAsync(Key, default));
    }

    [Fact]
    public async Task A_delayed_call_waits_for_its_release()
    {
        var store = FaultyObjectStore.AtCall(_inner, 1, Fault.Delay);
        var head = store.HeadAsync(Key, default);
        Assert.False(head.IsCompleted);

        store.Release();

        Assert.Null(await head);
    }

    public void Dispose() => _folder.Dispose();
}
