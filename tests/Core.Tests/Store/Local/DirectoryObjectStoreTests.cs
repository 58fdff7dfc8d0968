using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.Local;

public sealed class DirectoryObjectStoreTests : ObjectStoreTests
{
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"oc-objects-{Guid.NewGuid():n}");
    private readonly string _other = Path.Combine(Path.GetTempPath(), $"oc-objects-{Guid.NewGuid():n}");
    private readonly SetClock _clock = new(DateTimeOffset.UtcNow);

    private DirectoryObjectStore Directory => (DirectoryObjectStore)Store;

    protected override DateTimeOffset Later => _clock.GetUtcNow().AddSeconds(20);

    protected override Task<IObjectStore> CreateOtherAsync() => Task.FromResult<IObjectStore>(Open(root: _other));

    protected override Task<IObjectStore> CreateAsync() => Task.FromResult<IObjectStore>(Open());

    protected override async Task<(int Status, string? ETag)> UploadAsync(Uri url, IReadOnlyDictionary<string, string> headers, byte[] body)
    {
        var outcome = await UploadAsync(Directory, url, new MemoryStream(body), body.Length);
        return (outcome is { } status ? StatusOf(status) : 403, null);
    }

    // Its bytes are hashed when they are reported.
    protected override string? ETagOf(byte[] body) => null;

    public override Task DisposeAsync()
    {
        System.IO.Directory.Delete(_root, recursive: true);
        if (System.IO.Directory.Exists(_other))
            System.IO.Directory.Delete(_other, recursive: true);
        return Task.CompletedTask;
    }

    [Fact]
    public async Task A_copy_is_a_second_name_of_the_same_bytes_where_the_file_system_makes_one()
    {
        var far = $"/dev/shm/oc-objects-{Guid.NewGuid():n}";
        using var end = Reaper.AtExit($"rm -rf {Reaper.Quote(far)}");
        var (near, distant) = (await CreateOtherAsync(), Open(root: far));
        foreach (var other in (IObjectStore[])[near, distant])
            await other.PutAsync(Key("nar/a.nar.zst"), Bytes(1000), Text, Later, None);

        Assert.Equal(CopyOutcome.Done, await Store.CopyAsync(near, Key("nar/a.nar.zst"), 1000, Key("nar/b.nar.zst"), null, None));
        Assert.Equal(CopyOutcome.Done, await Store.CopyAsync(distant, Key("nar/a.nar.zst"), 1000, Key("nar/c.nar.zst"), null, None));

        Assert.Equal(Bytes(1000), await ReadAsync(Key("nar/c.nar.zst")));
        Assert.Equal(["2", "1"], [await LinksAsync("nar/b.nar.zst"), await LinksAsync("nar/c.nar.zst")]);
        AssertNoTempFiles();
        System.IO.Directory.Delete(far, recursive: true);

        async Task<string> LinksAsync(string key) =>
            (await ProcessRunner.RunAsync("stat", ["-c", "%h", Path.Combine(_root, key)])).OrThrow().Output.Trim();
    }

    [Fact]
    public async Task A_fence_that_passes_while_the_lock_is_awaited_refuses()
    {
        await PutAsync("a", Bytes(10));
        using var held = new DirectoryTree(_root).TryLock(Key("a"));
        Assert.NotNull(held);
        var fence = Later;

        var put = Store.PutAsync(Key("a"), Bytes(99), Text, fence, None);
        var delete = Store.DeleteAsync([Key("a")], fence, None);
        _clock.Now = fence;

        Assert.Equal(FencedOutcome.Refused, await put);
        Assert.Equal([FencedOutcome.Refused], await delete);
        Assert.Equal(Bytes(10), await ReadAsync(Key("a")));
        AssertNoTempFiles();
    }

    [Fact]
    public async Task A_url_works_until_it_expires()
    {
        var url = Store.SignPut(Key("nar/a"), 10, TimeSpan.FromMinutes(1));
        _clock.Now = url.Expires;

        Assert.Equal(403, (await UploadAsync(url.Url, NoHeaders, Bytes(5))).Status);
        _clock.Now = url.Expires.AddSeconds(-1);
        Assert.Equal(413, (await UploadAsync(url.Url, NoHeaders, Bytes(11))).Status);
        Assert.Equal(200, (await UploadAsync(url.Url, NoHeaders, Bytes(5))).Status);
    }

    [Theory]
    [InlineData("max=10", "max=11")]
    [InlineData("max=10&", "")]
    [InlineData("max=10", "max=010")]
    [InlineData("expires=", "expires=1")]
    [InlineData("sig=", "sig=A")]
    [InlineData("max=10", "upload=00000000000000000000000000000000&part=1&size=10")]
    public async Task A_url_that_was_altered_is_refused(string from, string to)
    {
        var url = Store.SignPut(Key("nar/a"), 10, TimeSpan.FromMinutes(1)).Url.AbsoluteUri;

        Assert.Equal(403, (await UploadAsync(new Uri(url.Replace(from, to, StringComparison.Ordinal)), NoHeaders, Bytes(5))).Status);
    }

    [Fact]
    public async Task Another_scope_or_secret_does_not_accept_the_url()
    {
        var url = Store.SignPut(Key("nar/a"), 10, TimeSpan.FromMinutes(1)).Url;

        Assert.Null(await UploadAsync(Open(scope: "other"), url, new MemoryStream(Bytes(1)), 1));
        Assert.Null(await UploadAsync(Open(secret: 2), url, new MemoryStream(Bytes(1)), 1));
    }

    [Theory]
    [InlineData(9)]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(600_000)]
    public async Task A_body_of_another_length_than_declared_leaves_nothing(int sent)
    {
        var whole = Store.SignPut(Key("nar/a"), null, TimeSpan.FromMinutes(1)).Url;
        var id = await Store.BeginMultipartAsync(Key("nar/b"), PartSize, None);
        var part = Store.SignParts(Key("nar/b"), id, PartSize, 1, 1, TimeSpan.FromMinutes(1))[0];

        Assert.Equal(UploadStatus.WrongLength, (await UploadAsync(Directory, whole, new MemoryStream(Bytes(sent)), 10)));
        Assert.Equal(UploadStatus.WrongLength, (await UploadAsync(Directory, part, new MemoryStream(Bytes(sent)), 10)));

        Assert.Empty(await ListAsync(""));
        Assert.False(await Store.CompleteMultipartAsync(Key("nar/b"), id, 10, [], None));
        AssertNoTempFiles();
    }

    [Fact]
    public async Task A_body_that_breaks_off_leaves_nothing()
    {
        var url = Store.SignPut(Key("nar/a"), null, TimeSpan.FromMinutes(1)).Url;

        await Assert.ThrowsAsync<IOException>(() => UploadAsync(Directory, url, new BreakingStream(300_000), 1_000_000));

        Assert.Empty(await ListAsync(""));
        AssertNoTempFiles();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(100)]
    public async Task A_batch_stores_each_body_under_its_own_url(int count)
    {
        var tickets = Enumerable.Range(0, count).Select(i => Ticket($"nar/{i}", 100)).ToArray();

        var outcomes = await Directory.ReceiveBatchAsync([.. tickets.Select((t, i) => (t, i))], Bodies(Enumerable.Range(0, count)), None);
        await Store.SyncAsync([.. tickets.Select(t => t!.Key)], None);

        Assert.All(outcomes!, o => Assert.Equal(UploadStatus.Stored, o));
        for (var i = 0; i < count; i++)
            Assert.Equal(Bytes(i), await ReadAsync(Key($"nar/{i}")));
        AssertNoTempFiles();
    }

    [Fact]
    public async Task In_a_batch_what_is_refused_or_there_or_too_large_leaves_the_others_alone()
    {
        await PutAsync("nar/there", Bytes(3));

        var outcomes = await Directory.ReceiveBatchAsync(
            [(Ticket("nar/a", 10), 10), (null, 7), (Ticket("nar/there", 10), 5), (Ticket("nar/large", 10), 11), (Ticket("nar/b", 10), 4),
                (Ticket("nar/b", 10), 2)], Bodies([10, 7, 5, 11, 4, 2]), None);

        Assert.Equal([UploadStatus.Stored, null, UploadStatus.Exists, UploadStatus.TooLarge, UploadStatus.Stored,
            UploadStatus.Exists], outcomes!);
        Assert.Equal(["nar/a", "nar/b", "nar/there"], (await ListAsync("")).Select(o => o.Key.ToString()));
        Assert.Equal(Bytes(10), await ReadAsync(Key("nar/a")));
        Assert.Equal(Bytes(4), await ReadAsync(Key("nar/b")));
        Assert.Equal(Bytes(3), await ReadAsync(Key("nar/there")));
        AssertNoTempFiles();
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1)]
    public async Task A_batch_of_another_length_than_declared_leaves_nothing(int more)
    {
        var outcomes = await Directory.ReceiveBatchAsync([(Ticket("nar/a", 10), 10), (Ticket("nar/b", 10), 10)], Bodies([20 + more]), None);

        Assert.Null(outcomes);
        Assert.Empty(await ListAsync(""));
        AssertNoTempFiles();
    }

    [Fact]
    public async Task A_batch_that_breaks_off_leaves_nothing()
    {
        var uploads = Enumerable.Range(0, 50).Select(i => (Ticket($"nar/{i}", 10_000), 10_000)).ToArray();

        await Assert.ThrowsAsync<IOException>(() => Directory.ReceiveBatchAsync(uploads, new BreakingStream(300_000), None));

        Assert.Empty(await ListAsync(""));
        AssertNoTempFiles();
    }

    private static MemoryStream Bodies(IEnumerable<int> sizes) => new([.. sizes.SelectMany(size => Bytes(size))]);

    private SignedUpload? Ticket(string key, long max) =>
        Directory.TryVerifyWhole(Store.SignPut(Key(key), max, TimeSpan.FromMinutes(1)).Url.AbsoluteUri, _clock.Now);

    [Fact]
    public async Task A_part_under_way_cannot_alter_the_object_once_it_is_complete()
    {
        var key = Key("nar/big");
        var (id, url) = await OnePartAsync(key, Bytes(3));
        var second = Store.SignParts(key, id, PartSize, 2, 1, TimeSpan.FromMinutes(1))[0];
        var late = new GatedStream(Bytes(1_000_000));
        var upload = UploadAsync(Open(), second, late, 1_000_000);
        await late.HalfRead;

        Assert.True(await Store.CompleteMultipartAsync(key, id, 3, [], None));
        late.Open();

        Assert.Equal(UploadStatus.Gone, (await upload));
        Assert.Equal(Bytes(3), await ReadAsync(key));
    }

    [Fact]
    public async Task A_stale_request_cannot_alter_a_part_that_was_sent_again()
    {
        var key = Key("nar/big");
        var id = await Store.BeginMultipartAsync(key, PartSize, None);
        var url = Store.SignParts(key, id, PartSize, 1, 1, TimeSpan.FromMinutes(1))[0];
        var stale = new GatedStream(Bytes(1_000_000, 1));
        var upload = UploadAsync(Open(), url, stale, 1_000_000);
        await stale.HalfRead;

        Assert.Equal(200, (await UploadAsync(url, NoHeaders, Bytes(1_000_000, 2))).Status);
        stale.Open();

        Assert.Equal(UploadStatus.Superseded, (await upload));
        Assert.True(await Store.CompleteMultipartAsync(key, id, 1_000_000, [], None));
        Assert.Equal(Bytes(1_000_000, 2), await ReadAsync(key));
    }

    [Fact]
    public async Task A_middle_part_shorter_than_the_part_size_is_not_completed()
    {
        var key = Key("nar/big");
        var (id, _) = await OnePartAsync(key, Bytes(3));
        var second = Store.SignParts(key, id, PartSize, 2, 1, TimeSpan.FromMinutes(1))[0];
        Assert.Equal(200, (await UploadAsync(second, NoHeaders, Bytes(4))).Status);

        Assert.False(await Store.CompleteMultipartAsync(key, id, 7, [], None));
    }

    [Fact]
    public async Task A_multipart_upload_cannot_replace_an_object()
    {
        var key = Key("nar/big");
        var (id, _) = await OnePartAsync(key, Bytes(3));
        await PutAsync("nar/big", Bytes(8));

        Assert.True(await Store.CompleteMultipartAsync(key, id, 3, [], None));

        Assert.Equal(Bytes(8), await ReadAsync(key));
        Assert.Empty(await MultipartsAsync());
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("nar/../../outside")]
    [InlineData("/etc/passwd")]
    [InlineData(".tmp/x")]
    [InlineData(".lock")]
    [InlineData("")]
    public async Task Nothing_outside_the_objects_is_reachable(string path)
    {
        Assert.Null(Directory.TryVerify(path, _ => "1", _clock.Now));
        if (!ObjectKey.TryParse(path, out var key))
            return;
        Assert.Null(await Store.HeadAsync(key, None));
        Assert.Null(await Store.GetAsync(key, null, None));
        await Assert.ThrowsAsync<ObjectStoreException>(() => Store.PutAsync(key, Bytes(1), Text, Later, None));
        await Assert.ThrowsAsync<ObjectStoreException>(() => Store.DeleteAsync([key], Later, None));
        Assert.Throws<ObjectStoreException>(() => Store.SignPut(key, 1, TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public async Task A_key_has_no_segment_that_no_file_could_be_called()
    {
        await PutAsync($"pins/{new string('y', 255)}", Bytes(1));

        Assert.NotNull(await Store.HeadAsync(Key($"pins/{new string('y', 255)}"), None));
        Assert.False(ObjectKey.TryParse($"pins/{new string('y', 256)}", out _));
        Assert.False(ObjectKey.TryParse($"realisations/{new string('y', 256)}/x.doi", out _));
    }

    [Fact]
    public async Task A_multipart_id_that_is_a_path_is_no_upload()
    {
        await PutAsync("x/data", Bytes(1));

        await Store.AbortMultipartAsync(Key("nar/a"), "../x", None);

        Assert.False(await Store.CompleteMultipartAsync(Key("nar/a"), "../x", 1, [], None));
        Assert.Equal(Bytes(1), await ReadAsync(Key("x/data")));
    }

    [Fact]
    public async Task What_a_killed_process_left_is_deleted_after_a_day()
    {
        var (id, _) = await OnePartAsync(Key("nar/half"), Bytes(1));
        File.Delete(Path.Combine(_root, ".multipart", id, "data"));
        var old = Path.Combine(_root, ".tmp", "old");
        File.WriteAllText(old, "x");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays(-2));
        File.WriteAllText(Path.Combine(_root, ".tmp", "new"), "x");

        Open();

        Assert.False(File.Exists(old));
        Assert.True(File.Exists(Path.Combine(_root, ".tmp", "new")));
        Assert.Empty(await MultipartsAsync());
        Assert.False(System.IO.Directory.Exists(Path.Combine(_root, ".multipart", id)));
    }

    private static Task<UploadStatus?> UploadAsync(DirectoryObjectStore store, Uri url, Stream body, long length, DateTimeOffset now)
    {
        var query = url.Query.TrimStart('?').Split('&').Select(p => p.Split('=', 2))
            .ToDictionary(p => p[0], p => p.Length > 1 ? Uri.UnescapeDataString(p[1]) : "");
        var path = Uri.UnescapeDataString(url.AbsolutePath[(url.AbsolutePath.IndexOf("/upload/", StringComparison.Ordinal) + 8)..]);
        return store.TryVerify(path, query.GetValueOrDefault, now) is { } ticket ? Receive(ticket) : Task.FromResult<UploadStatus?>(null);

        async Task<UploadStatus?> Receive(SignedUpload ticket) => await store.ReceiveAsync(ticket, body, length, None);
    }

    private Task<UploadStatus?> UploadAsync(DirectoryObjectStore store, Uri url, Stream body, long length) =>
        UploadAsync(store, url, body, length, _clock.Now);

    private static int StatusOf(UploadStatus status) => status switch
    {
        UploadStatus.Stored => 200,
        UploadStatus.Exists => 412,
        UploadStatus.Gone => 404,
        UploadStatus.Superseded => 409,
        UploadStatus.TooLarge => 413,
        _ => 400,
    };

    private DirectoryObjectStore Open(string scope = "default", byte secret = 1, string? root = null) => new(
        new DirectoryOptions
        {
            Root = root ?? _root,
            PublicUrl = new Uri("http://127.0.0.1:5751/v1/caches/default/"),
            UrlSecret = [.. Enumerable.Repeat(secret, 32)],
            Scope = scope
        }, _clock);

    private void AssertNoTempFiles() => Assert.Empty(System.IO.Directory.EnumerateFileSystemEntries(Path.Combine(_root, ".tmp")));
}
