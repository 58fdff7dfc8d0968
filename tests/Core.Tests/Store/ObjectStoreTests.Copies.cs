using OrleansCache.Core.Store;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

public abstract partial class ObjectStoreTests
{
    /// <summary>Another store of the same kind.</summary>
    protected abstract Task<IObjectStore> CreateOtherAsync();

    [Theory]
    [InlineData(1)]
    [InlineData(5 << 20)]
    [InlineData((65 << 20) + 3)]
    public async Task A_copy_has_the_bytes_of_its_source_which_stays_as_it_is(int size)
    {
        var other = await CreateOtherAsync();
        var body = Bytes(size, seed: 7);
        await other.PutAsync(Key("nar/source.nar.xz"), body, Text, Later, None);

        Assert.Equal(CopyOutcome.Done, await CopyAsync(other, "nar/source.nar.xz", size, "nar/copy.nar.xz"));
        await Store.SyncAsync([Key("nar/copy.nar.xz")], None);
        Assert.Equal(body, await ReadAsync(Key("nar/copy.nar.xz")));

        // The source may go.
        await other.DeleteAsync([Key("nar/source.nar.xz")], Later, None);
        Assert.Equal(body, await ReadAsync(Key("nar/copy.nar.xz")));
        Assert.Empty(await MultipartsAsync());
    }

    [Fact]
    public async Task A_copy_whose_answer_was_lost_is_done_the_second_time_too()
    {
        var other = await CreateOtherAsync();
        await other.PutAsync(Key("nar/a.nar.zst"), Bytes(100), Text, Later, None);
        var upload = await BeginCopyAsync("nar/b.nar.zst");

        foreach (var _ in (int[])[1, 2])
            Assert.Equal(CopyOutcome.Done, await Store.CopyAsync(other, Key("nar/a.nar.zst"), 100, Key("nar/b.nar.zst"), upload, None));

        Assert.Equal(Bytes(100), await ReadAsync(Key("nar/b.nar.zst")));
    }

    [Fact]
    public async Task What_is_not_there_or_another_object_than_was_meant_is_not_copied()
    {
        var other = await CreateOtherAsync();
        await other.PutAsync(Key("nar/a.nar.zst"), Bytes(100), Text, Later, None);

        Assert.Equal(CopyOutcome.Absent, await CopyAsync(other, "nar/none.nar.zst", 100, "nar/b.nar.zst"));
        Assert.Equal(CopyOutcome.Changed, await CopyAsync(other, "nar/a.nar.zst", 99, "nar/c.nar.zst"));

        Assert.Empty(await ListAsync(""));
    }

    [Fact]
    public async Task A_copy_replaces_nothing()
    {
        var other = await CreateOtherAsync();
        await other.PutAsync(Key("nar/a.nar.zst"), Bytes(100), Text, Later, None);
        var upload = await BeginCopyAsync("nar/b.nar.zst");
        await PutAsync("nar/b.nar.zst", Bytes(5));
        if (upload is not null)
            await Store.AbortMultipartAsync(Key("nar/b.nar.zst"), upload, None);

        Assert.NotEqual(CopyOutcome.Done, await Store.CopyAsync(other, Key("nar/a.nar.zst"), 100, Key("nar/b.nar.zst"), upload, None));

        Assert.Equal(Bytes(5), await ReadAsync(Key("nar/b.nar.zst")));
    }

    private async Task<CopyOutcome> CopyAsync(IObjectStore from, string source, long size, string key) =>
        await Store.CopyAsync(from, Key(source), size, Key(key), await BeginCopyAsync(key), None);

    private async Task<string?> BeginCopyAsync(string key) =>
        Store.IsLocal ? null : await Store.BeginMultipartAsync(Key(key), PartSize, None);
}
