using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

/// <summary>Multipart uploads, by every store alike.</summary>
public abstract partial class ObjectStoreTests
{
    [Fact]
    public async Task Parts_are_joined_in_order_and_more_are_signed_on_demand()
    {
        var key = Key("nar/big");
        byte[][] parts = [Bytes((int)PartSize), Bytes((int)PartSize, 1), Bytes(123, 2)];
        var id = await Store.BeginMultipartAsync(key, PartSize, None);
        var urls = Store.SignParts(key, id, PartSize, 1, 2, TimeSpan.FromMinutes(1))
            .Concat(Store.SignParts(key, id, PartSize, 3, 1, TimeSpan.FromMinutes(1))).ToArray();

        var answers = await Task.WhenAll(parts.Select((part, i) => UploadAsync(urls[i], NoHeaders, part)));

        Assert.Equal(parts.Select(p => (200, ETagOf(p))), answers);
        Assert.Null(await Store.HeadAsync(key, None));
        Assert.Contains((await MultipartsAsync()), m => m.Key == key && m.UploadId == id);
        Assert.True(await Store.CompleteMultipartAsync(key, id, parts.Sum(p => p.Length), [.. parts.Select(Md5)], None));
        Assert.Equal(parts.SelectMany(p => p), await ReadAsync(key));
        Assert.DoesNotContain(await MultipartsAsync(), m => m.UploadId == id);
    }

    [Fact]
    public async Task Completing_again_succeeds_and_late_parts_are_refused()
    {
        var key = Key("nar/big");
        var (id, url) = await OnePartAsync(key, Bytes(50));

        Assert.True(await Store.CompleteMultipartAsync(key, id, 50, [Md5(Bytes(50))], None));
        Assert.True(await Store.CompleteMultipartAsync(key, id, 50, [Md5(Bytes(50))], None));
        Assert.Equal(404, (await UploadAsync(url, NoHeaders, Bytes(50, 9))).Status);
        await Store.AbortMultipartAsync(key, id, None);

        Assert.Equal(Bytes(50), await ReadAsync(key));
    }

    [Fact]
    public async Task Other_parts_than_reported_or_missing_parts_are_not_completed()
    {
        var key = Key("nar/big");
        var (id, _) = await OnePartAsync(key, Bytes(50));

        Assert.False(await Store.CompleteMultipartAsync(key, id, 51, [Md5(Bytes(51))], None));
        Assert.False(await Store.CompleteMultipartAsync(key, id, PartSize + 51, [Md5(Bytes(50)), Md5(Bytes(51))], None));
        Assert.Null(await Store.HeadAsync(key, None));

        Assert.True(await Store.CompleteMultipartAsync(key, id, 50, [Md5(Bytes(50))], None));
    }

    [Fact]
    public async Task A_part_that_is_sent_again_replaces_the_first()
    {
        var key = Key("nar/big");
        var (id, url) = await OnePartAsync(key, Bytes(50));
        Assert.Equal(200, (await UploadAsync(url, NoHeaders, Bytes(20, 7))).Status);

        Assert.True(await Store.CompleteMultipartAsync(key, id, 20, [Md5(Bytes(20, 7))], None));

        Assert.Equal(Bytes(20, 7), await ReadAsync(key));
    }

    [Fact]
    public async Task An_aborted_upload_takes_no_part_and_cannot_be_completed()
    {
        var key = Key("nar/big");
        var (id, url) = await OnePartAsync(key, Bytes(50));

        await Store.AbortMultipartAsync(key, id, None);
        await Store.AbortMultipartAsync(key, id, None);

        Assert.Equal(404, (await UploadAsync(url, NoHeaders, Bytes(50))).Status);
        Assert.False(await Store.CompleteMultipartAsync(key, id, 50, [Md5(Bytes(50))], None));
        Assert.DoesNotContain(await MultipartsAsync(), m => m.UploadId == id);
        Assert.Null(await Store.HeadAsync(key, None));
    }

    protected async Task<(string Id, Uri Url)> OnePartAsync(ObjectKey key, byte[] body)
    {
        var id = await Store.BeginMultipartAsync(key, PartSize, None);
        var url = Store.SignParts(key, id, PartSize, 1, 1, TimeSpan.FromMinutes(1))[0];
        Assert.Equal((200, ETagOf(body)), await UploadAsync(url, NoHeaders, body));
        return (id, url);
    }

    protected async Task<List<OpenMultipart>> MultipartsAsync()
    {
        var found = new List<OpenMultipart>();
        await foreach (var upload in Store.ListMultipartAsync(None))
            found.Add(upload);
        return found;
    }
}
