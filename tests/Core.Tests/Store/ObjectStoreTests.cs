using System.Security.Cryptography;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using Xunit;

namespace OrleansCache.Core.Tests.Store;

/// <summary>What every object store must do; run over each of them.</summary>
public abstract partial class ObjectStoreTests : IAsyncLifetime
{
    protected const long PartSize = 5 << 20; // The least that S3 takes.

    protected static readonly ObjectHeaders Text = new("text/plain", "no-cache");
    protected static readonly CancellationToken None = CancellationToken.None;

    protected IObjectStore Store { get; private set; } = null!;

    /// <summary>A fence that is far enough away.</summary>
    protected virtual DateTimeOffset Later => DateTimeOffset.UtcNow.AddSeconds(30);

    protected abstract Task<IObjectStore> CreateAsync();

    /// <summary>Sends a body to an upload URL as a client does. Null ETag: none came.</summary>
    protected abstract Task<(int Status, string? ETag)> UploadAsync(Uri url, IReadOnlyDictionary<string, string> headers, byte[] body);

    public virtual async Task InitializeAsync() => Store = await CreateAsync();

    public virtual Task DisposeAsync() => Task.CompletedTask;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5 * 1024 * 1024 + 1)]
    public async Task A_put_object_reads_back_byte_for_byte(int size)
    {
        var key = Key("a.narinfo");
        var body = Bytes(size);

        Assert.Equal(FencedOutcome.Done, await Store.PutAsync(key, body, Text, Later, None));

        Assert.Equal(body, await ReadAsync(key));
        var info = await Store.HeadAsync(key, None);
        Assert.Equal((key, size), (info!.Key, info.Size));
    }

    [Fact]
    public async Task A_put_replaces_what_was_there()
    {
        await PutAsync("a", Bytes(100));
        await PutAsync("a", Bytes(3));

        Assert.Equal(Bytes(3), await ReadAsync(Key("a")));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(200)]
    public async Task Staged_writes_appear_when_they_are_made_and_not_before(int count)
    {
        ObjectWrite[] writes = [.. Enumerable.Range(0, count).Select(i => new ObjectWrite(Key($"staged/{i:d3}"), Bytes(i), Text))];

        await using (var staged = await Store.StageAsync(writes, None))
        {
            Assert.Empty(await ListAsync(""));
            for (var i = 1; i < count; i++)
            {
                Assert.Equal(FencedOutcome.Done, await staged.PutAsync(i, Later, None));
                Assert.Equal(Bytes(i), await ReadAsync(writes[i].Key));
            }
        }

        await Store.SyncAsync([.. writes.Select(w => w.Key)], None);
        Assert.Equal(writes.Skip(1).Select(w => w.Key), (await ListAsync("")).Select(o => o.Key));
    }

    [Fact]
    public async Task A_staged_write_replaces_what_was_there_but_not_after_its_fence()
    {
        await PutAsync("a", Bytes(100));
        await PutAsync("b", Bytes(100));

        await using var staged = await Store.StageAsync([new ObjectWrite(Key("a"), Bytes(3), Text),
            new ObjectWrite(Key("b"), Bytes(3), Text)], None);

        Assert.Equal(FencedOutcome.Done, await staged.PutAsync(0, Later, None));
        Assert.Equal(FencedOutcome.Refused, await staged.PutAsync(1, DateTimeOffset.UtcNow.AddMinutes(-1), None));
        Assert.Equal(Bytes(3), await ReadAsync(Key("a")));
        Assert.Equal(Bytes(100), await ReadAsync(Key("b")));
    }

    [Fact]
    public async Task A_new_object_of_ours_is_put_once_and_the_same_bytes_again_succeed()
    {
        var key = Key($"nar/{Guid.NewGuid():n}.nar.xz");
        var body = Bytes(1000);

        await Store.PutNewAsync(key, body.AsMemory(), None);
        await Store.PutNewAsync(key, body.AsMemory(), None);
        await Store.SyncAsync([key], None);

        Assert.Equal(body, await ReadAsync(key));
    }

    [Fact]
    public async Task Parts_that_we_put_ourselves_are_joined()
    {
        var key = Key($"nar/{Guid.NewGuid():n}.nar");
        var body = Bytes((int)PartSize * 2 + 7);
        var upload = await Store.BeginMultipartAsync(key, PartSize, None);
        var parts = new[] { body.AsMemory(0, (int)PartSize), body.AsMemory((int)PartSize, (int)PartSize),
            body.AsMemory((int)PartSize * 2) };

        // The second twice, as after a lost answer.
        foreach (var number in (int[])[1, 2, 2, 3])
            await Store.PutPartAsync(key, upload, PartSize, number, parts[number - 1], None);

        Assert.Null(await Store.HeadAsync(key, None));
        Assert.True(await Store.CompleteMultipartAsync(key, upload, body.Length,
            [.. parts.Select(p => Convert.ToHexStringLower(MD5.HashData(p.Span)))], None));
        Assert.Equal(body, await ReadAsync(key));
    }

    [Fact]
    public async Task What_is_not_there_is_null()
    {
        Assert.Null(await Store.HeadAsync(Key("nothing"), None));
        Assert.Null(await Store.GetAsync(Key("nothing"), null, None));
        Assert.Null(await Store.GetAsync(Key("nothing"), new ByteRange(5, 6), None));
        await PutAsync("folder/file", Bytes(1));
        Assert.Null(await Store.HeadAsync(Key("folder"), None));
        Assert.Null(await Store.GetAsync(Key("folder"), null, None));
    }

    [Theory]
    [InlineData(0L, null, 0, 10)]
    [InlineData(3L, 5L, 3, 3)]
    [InlineData(3L, null, 3, 7)]
    [InlineData(3L, 100L, 3, 7)]
    [InlineData(9L, 9L, 9, 1)]
    [InlineData(-4L, null, 6, 4)]
    [InlineData(-40L, null, 0, 10)]
    [InlineData(10L, null, 10, 0)]
    [InlineData(50L, 60L, 10, 0)]
    public async Task A_range_holds_the_bytes_it_names(long first, long? last, int offset, int length)
    {
        await PutAsync("a", Bytes(10));

        await using var body = await Store.GetAsync(Key("a"), new ByteRange(first, last), None);

        Assert.Equal((offset, length, 10), (body!.Offset, body.Length, body.Info.Size));
        Assert.Equal(Bytes(10)[offset..(offset + length)], await ReadAllAsync(body.Stream));
    }

    [Fact]
    public async Task A_list_holds_the_keys_with_the_prefix_in_key_order()
    {
        string[] keys = ["nar/0a.nar", "nar/0b.nar.zst", "nar/1.nar", "nar.x", "nar/0/deep", "z", "log/x.drv"];
        foreach (var key in keys)
            await PutAsync(key, Bytes(key.Length));

        Assert.Equal(keys.Order(StringComparer.Ordinal), (await ListAsync("")).Select(o => o.Key.ToString()));
        Assert.Equal(["nar/0/deep", "nar/0a.nar", "nar/0b.nar.zst"], (await ListAsync("nar/0")).Select(o => o.Key.ToString()));
        Assert.Equal(["nar/0a.nar"], (await ListAsync("nar/0a.nar")).Select(o => o.Key.ToString()));
        Assert.Equal("nar/0a.nar".Length, (await ListAsync("nar/0a"))[0].Size);
        Assert.Empty(await ListAsync("nar/0a.nar/"));
        Assert.Empty(await ListAsync("none/"));
    }

    [Fact]
    public async Task A_thousand_objects_are_listed_and_deleted()
    {
        var keys = Enumerable.Range(0, 1005).Select(i => Key($"many/{i:d4}")).ToArray();
        await Parallel.ForEachAsync(keys, new ParallelOptions { MaxDegreeOfParallelism = 32 },
            async (key, cancellationToken) =>
                Assert.Equal(FencedOutcome.Done, await Store.PutAsync(key, Bytes(1), Text, Later.AddMinutes(5), cancellationToken)));
        Assert.Equal(keys, (await ListAsync("many/")).Select(o => o.Key));

        var outcomes = await Store.DeleteAsync(keys, Later, None);

        Assert.Equal(1005, outcomes.Count);
        Assert.All(outcomes, o => Assert.Equal(FencedOutcome.Done, o));
        Assert.Empty(await ListAsync("many/"));
    }

    [Fact]
    public async Task Deleting_what_is_not_there_is_done()
    {
        await PutAsync("there", Bytes(1));

        Assert.Equal([FencedOutcome.Done, FencedOutcome.Done], await Store.DeleteAsync([Key("there"), Key("not/there")], Later, None));
        Assert.Empty(await Store.DeleteAsync([], Later, None));

        Assert.Null(await Store.HeadAsync(Key("there"), None));
    }

    [Fact]
    public async Task A_fence_in_the_past_refuses_the_put_and_the_delete()
    {
        await PutAsync("a", Bytes(10));
        var past = DateTimeOffset.UtcNow.AddSeconds(-1);

        Assert.Equal(FencedOutcome.Refused, await Store.PutAsync(Key("a"), Bytes(99), Text, past, None));
        Assert.Equal([FencedOutcome.Refused], await Store.DeleteAsync([Key("a")], past, None));

        Assert.Equal(Bytes(10), await ReadAsync(Key("a")));
    }

    [Theory]
    [InlineData("realisations/sha256:0123!out.doi")]
    [InlineData("build-trace-v2/x.drv/out^dev.doi")]
    [InlineData("log/a+b=c?d&e#f.drv")]
    [InlineData("a b/%2e%2e/100%")]
    [InlineData("q'uo\"te/<x>*|~$@,;(1)[2]{3}`")]
    public async Task Keys_with_odd_characters_work_everywhere(string text)
    {
        var key = Key(text);
        await PutAsync(text, Bytes(5));

        Assert.Equal(Bytes(5), await ReadAsync(key));
        Assert.Equal([key], (await ListAsync("")).Select(o => o.Key));
        Assert.Equal([FencedOutcome.Done], await Store.DeleteAsync([key], Later, None));
        Assert.Null(await Store.HeadAsync(key, None));

        var url = Store.SignPut(key, 7, TimeSpan.FromMinutes(1));
        Assert.Equal(200, (await UploadAsync(url.Url, url.Headers, Bytes(7))).Status);
        Assert.Equal(Bytes(7), await ReadAsync(key));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5 * 1024 * 1024 + 1)]
    public async Task A_client_uploads_through_a_signed_url_once(int size)
    {
        var key = Key("nar/0.nar.zst");
        var url = Store.SignPut(key, size, TimeSpan.FromMinutes(1));

        var first = await UploadAsync(url.Url, url.Headers, Bytes(size));
        var second = await UploadAsync(url.Url, url.Headers, Bytes(Math.Max(0, size - 1)));

        Assert.Equal((200, ETagOf(Bytes(size))), first);
        Assert.Equal(412, second.Status);
        Assert.Equal(Bytes(size), await ReadAsync(key));
        await Store.SyncAsync([key, Key("not/there")], None);
    }

    [Fact]
    public async Task One_of_many_concurrent_uploads_wins()
    {
        var key = Key("nar/race");
        var bodies = Enumerable.Range(0, 16).Select(i => Bytes(2000 + i)).ToArray();

        var answers = await Task.WhenAll(bodies.Select(async body =>
        {
            var url = Store.SignPut(key, null, TimeSpan.FromMinutes(1));
            return (await UploadAsync(url.Url, url.Headers, body)).Status;
        }));

        Assert.Single(answers, 200);
        Assert.All(answers, s => Assert.True(s is 200 or 412 or 409, $"{s}"));
        Assert.Equal(bodies[Array.IndexOf(answers, 200)], await ReadAsync(key));
    }

    [Fact]
    public async Task A_url_is_good_for_its_own_key_only()
    {
        var url = Store.SignPut(Key("nar/mine"), null, TimeSpan.FromMinutes(1));
        var other = new UriBuilder(url.Url);
        other.Path = other.Path.Replace("mine", "your", StringComparison.Ordinal);

        Assert.Equal(403, (await UploadAsync(other.Uri, url.Headers, Bytes(1))).Status);

        Assert.Empty(await ListAsync(""));
    }

    protected static readonly Dictionary<string, string> NoHeaders = [];

    protected static ObjectKey Key(string text) => ObjectKey.Parse(text);

    protected static byte[] Bytes(int length, int seed = 0)
    {
        var bytes = new byte[length];
        new Random(seed * 7919 + length).NextBytes(bytes);
        return bytes;
    }

    /// <summary>What an upload is answered with; null: nothing.</summary>
    protected virtual string? ETagOf(byte[] body) => Md5(body);

    protected static string Md5(byte[] bytes) => Convert.ToHexStringLower(MD5.HashData(bytes));

    protected async Task PutAsync(string key, byte[] body) =>
        Assert.Equal(FencedOutcome.Done, await Store.PutAsync(Key(key), body, Text, Later, None));

    protected async Task<byte[]?> ReadAsync(ObjectKey key)
    {
        await using var body = await Store.GetAsync(key, null, None);
        return body is null ? null : await ReadAllAsync(body.Stream);
    }

    protected async Task<List<ObjectInfo>> ListAsync(string prefix)
    {
        var found = new List<ObjectInfo>();
        await foreach (var info in Store.ListAsync(prefix, None))
            found.Add(info);
        return found;
    }

    private static async Task<byte[]> ReadAllAsync(Stream stream)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }
}
