using Amazon.Runtime;
using Minio.DataModel.Args;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>Over a real server; each test has a prefix of its own in one bucket.</summary>
public sealed class S3ObjectStoreTests : ObjectStoreTests, IClassFixture<S3ObjectStoreTests.Bucket>
{
    private static readonly HttpClient Http = new();
    private readonly S3Options _options;

    public S3ObjectStoreTests(Bucket bucket) => _options = bucket.Options with { Prefix = $"t/{Guid.NewGuid():n}" };

    private S3ObjectStore S3 => (S3ObjectStore)Store;

    // In another bucket.
    protected override async Task<IObjectStore> CreateOtherAsync() =>
        await S3.OpenBesideAsync(await (await CephServer.Shared).CreateBucketAsync(), "c/other", None);

    protected override Task<IObjectStore> CreateAsync() => Task.FromResult<IObjectStore>(new S3ObjectStore(_options));

    protected override async Task<(int Status, string? ETag)> UploadAsync(Uri url, IReadOnlyDictionary<string, string> headers, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, url) { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        return ((int)response.StatusCode, response.Headers.ETag?.Tag.Trim('"'));
    }

    public override Task DisposeAsync()
    {
        S3.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task A_bucket_tells_whether_it_keeps_old_versions()
    {
        var ceph = await CephServer.Shared;
        var options = _options with { Bucket = await ceph.CreateBucketAsync() };
        using var store = new S3ObjectStore(options);

        var before = await store.ProbeAsync(None);
        await ceph.KeepVersionsAsync(options.Bucket);
        store.Adapt(await store.ProbeAsync(None));

        Assert.Equal((false, true), (before.KeepsOldVersions, store.KeepsOldVersions));
    }

    [Fact]
    public async Task An_upload_without_the_signed_header_is_refused()
    {
        var url = Store.SignPut(Key("nar/a"), null, TimeSpan.FromMinutes(1));
        Assert.Equal("*", url.Headers["if-none-match"]);

        Assert.Equal(403, (await UploadAsync(url.Url, url.Headers.Where(h => h.Key != "if-none-match").ToDictionary(), Bytes(1))).Status);

        Assert.Null(await Store.HeadAsync(Key("nar/a"), None));
    }

    [Fact]
    public async Task A_url_that_has_expired_is_refused()
    {
        using var early = Open(TimeSpan.FromMinutes(-10));
        var put = early.SignPut(Key("nar/a"), null, TimeSpan.FromMinutes(9));
        var (id, _) = await OnePartAsync(Key("nar/b"), Bytes(1));
        var part = early.SignParts(Key("nar/b"), id, PartSize, 1, 1, TimeSpan.FromMinutes(9))[0];

        Assert.Equal(403, (await UploadAsync(put.Url, put.Headers, Bytes(1))).Status);
        Assert.Equal(403, (await UploadAsync(part, NoHeaders, Bytes(2))).Status);

        Assert.True(await Store.CompleteMultipartAsync(Key("nar/b"), id, 1, [Md5(Bytes(1))], None));
    }

    [Fact]
    public async Task The_store_itself_refuses_after_the_fence_although_our_clock_is_slow()
    {
        await PutAsync("a", Bytes(10));
        using var slow = Open(TimeSpan.FromMinutes(-5));
        var past = DateTimeOffset.UtcNow.AddSeconds(-2);

        Assert.Equal(FencedOutcome.Refused, await slow.PutAsync(Key("a"), Bytes(99), Text, past, None));
        Assert.Equal([FencedOutcome.Refused], await slow.DeleteAsync([Key("a")], past, None));

        Assert.Equal(Bytes(10), await ReadAsync(Key("a")));
    }

    [Theory]
    [InlineData(-300)]
    [InlineData(15)]
    public async Task A_clock_that_is_somewhat_wrong_does_not_stop_fenced_writes(int seconds)
    {
        using var skewed = Open(TimeSpan.FromSeconds(seconds));

        Assert.Equal(FencedOutcome.Done, await skewed.PutAsync(Key("a"), Bytes(9), Text, Later, None));
        Assert.Equal(Bytes(9), await ReadAsync(Key("a")));
        Assert.Equal([FencedOutcome.Done], await skewed.DeleteAsync([Key("a")], Later, None));
        Assert.Null(await Store.HeadAsync(Key("a"), None));
    }

    [Fact]
    public async Task A_fence_passes_and_what_was_accepted_before_it_stays()
    {
        var presigner = new S3Presigner(_options.BucketUrl, _options.KeyPrefix, _options.Region,
            new BasicAWSCredentials(_options.AccessKey, _options.SecretKey));
        var fence = DateTimeOffset.UtcNow.AddSeconds(3);
        var url = presigner.UntilFence("PUT", Key("a"), [], NoHeaders, fence, DateTimeOffset.UtcNow);
        Assert.Equal(200, (await UploadAsync(url, NoHeaders, Bytes(1))).Status);

        var accepted = 1;
        await Eventually.BecomesTrueAsync(async () =>
        {
            var (status, _) = await UploadAsync(url, NoHeaders, Bytes(accepted + 1));
            if (status == 200)
                accepted++;
            return status == 403;
        });

        Assert.Equal(Bytes(accepted), await ReadAsync(Key("a")));
    }

    [Fact]
    public async Task Headers_are_stored_and_served()
    {
        var listing = Key("0.ls");
        await Store.PutAsync(listing, Bytes(5), KeyHeaders.For(listing), Later, None);
        var nar = Key("nar/a");
        var url = Store.SignPut(nar, null, TimeSpan.FromMinutes(1));
        await UploadAsync(url.Url, url.Headers, Bytes(5));
        var big = Key("nar/b");
        var (id, _) = await OnePartAsync(big, Bytes(5));
        await Store.CompleteMultipartAsync(big, id, 5, [Md5(Bytes(5))], None);

        foreach (var key in (ObjectKey[])[listing, nar, big])
        {
            await using var body = await Store.GetAsync(key, null, None);
            Assert.Equal(KeyHeaders.For(key), body!.Headers);
        }
    }

    [Fact]
    public async Task Another_implementation_of_S3_lists_and_reads_what_this_one_wrote()
    {
        var written = new Dictionary<string, byte[]>
        {
            ["0c5b8vw40dy178xlpddw65q9gf1h2186.narinfo"] = Bytes(300),
            ["log/0c5b8vw40dy178xlpddw65q9gf1h2186-a+b?c=d.drv"] = Bytes(0),
            ["realisations/sha256:2c0f!out.doi"] = Bytes(70_000),
        };
        foreach (var (key, body) in written)
            await PutAsync(key, body);
        var (id, _) = await OnePartAsync(Key("nar/b"), Bytes(5));
        await Store.CompleteMultipartAsync(Key("nar/b"), id, 5, [Md5(Bytes(5))], None);
        written.Add("nar/b", Bytes(5));

        using var other = (await CephServer.Shared).CreateSecondClient();
        var seen = new Dictionary<string, byte[]>();
        await foreach (var item in other.ListObjectsEnumAsync(new ListObjectsArgs().WithBucket(_options.Bucket).WithPrefix(_options.Prefix)
            .WithRecursive(true)))
        {
            using var bytes = new MemoryStream();
            var stat = await other.GetObjectAsync(new GetObjectArgs().WithBucket(_options.Bucket).WithObject(item.Key)
                .WithCallbackStream((body, cancellationToken) => body.CopyToAsync(bytes, cancellationToken)));
            Assert.Equal((bytes.Length, (ulong)bytes.Length), (stat.Size, item.Size));
            seen.Add(item.Key[(_options.Prefix.Length + 1)..], bytes.ToArray());
        }

        Assert.Equal(written.OrderBy(o => o.Key, StringComparer.Ordinal), seen.OrderBy(o => o.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task ETags_vouch_for_bodies_and_for_joined_parts()
    {
        await PutAsync("a", Bytes(10));
        var (id, _) = await OnePartAsync(Key("nar/b"), Bytes(5));
        await Store.CompleteMultipartAsync(Key("nar/b"), id, 5, [Md5(Bytes(5))], None);

        Assert.Equal(Md5(Bytes(10)), (await Store.HeadAsync(Key("a"), None))!.ETag);
        Assert.Equal(Md5(Bytes(10)), (await ListAsync("a"))[0].ETag);
        Assert.Equal(Md5(Convert.FromHexString(Md5(Bytes(5)))) + "-1", (await Store.HeadAsync(Key("nar/b"), None))!.ETag);
    }

    [Fact]
    public async Task Where_ETags_are_no_md5_they_are_not_used()
    {
        using var opaque = new S3ObjectStore(_options with { EtagIsMd5 = false });
        var (id, _) = await OnePartAsync(Key("nar/b"), Bytes(5));

        Assert.True(await opaque.CompleteMultipartAsync(Key("nar/b"), id, 5, [new string('0', 32)], None));

        Assert.Null((await opaque.HeadAsync(Key("nar/b"), None))!.ETag);
    }

    [Fact]
    public async Task A_prefix_hides_what_lies_beside_it()
    {
        await PutAsync("a", Bytes(1));
        using var beside = new S3ObjectStore(_options with { Prefix = _options.Prefix + "2" });

        await foreach (var found in beside.ListAsync("", None))
            Assert.Fail($"{found}");
        Assert.Null(await beside.HeadAsync(Key("a"), None));
    }

    [Fact]
    public async Task What_lies_below_c_is_other_caches_and_neither_listed_nor_swept_up_with_their_multiparts()
    {
        using var team = await S3.OpenBesideAsync(_options.Bucket, $"{_options.Prefix}/c/team/", None);
        foreach (var key in (string[])["b", "nar/b"])
            await PutAsync(key, Bytes(2));
        Assert.Equal(FencedOutcome.Done, await team.PutAsync(Key("nar/a"), Bytes(1), Text, Later, None));
        var (own, _) = await OnePartAsync(Key("nar/open"), Bytes(5));
        var theirs = await team.BeginMultipartAsync(Key("nar/open"), PartSize, None);

        Assert.Equal(["b", "nar/b"], (await ListAsync("")).Select(o => o.Key.ToString()));
        Assert.Equal([own], await Store.ListMultipartAsync(None).Select(m => m.UploadId).ToListAsync());
        Assert.Equal(["nar/a"], await team.ListAsync("", None).Select(o => o.Key.ToString()).ToListAsync());
        Assert.Equal([theirs], await team.ListMultipartAsync(None).Select(m => m.UploadId).ToListAsync());
        await Store.AbortMultipartAsync(Key("nar/open"), own, None);
        await team.AbortMultipartAsync(Key("nar/open"), theirs, None);
    }

    [Fact]
    public async Task A_missing_bucket_is_named_as_such()
    {
        using var store = new S3ObjectStore(_options with { Bucket = "no-such-bucket" });

        Assert.Null(await store.HeadAsync(Key("a"), None));
        var e = await Assert.ThrowsAsync<ObjectStoreException>(async () => await store.ListAsync("", None).GetAsyncEnumerator()
            .MoveNextAsync());
        Assert.Contains("NoSuchBucket", e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(Key("a"), Bytes(1), Text, Later, None));
        Assert.Contains("NoSuchBucket", e.Message, StringComparison.Ordinal);
    }

    private S3ObjectStore Open(TimeSpan skew) => new(_options, new SetClock(DateTimeOffset.UtcNow + skew));

    public sealed class Bucket : IAsyncLifetime
    {
        public S3Options Options { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            if (CephServer.MissingReason is { } reason)
                throw new InvalidOperationException($"No S3 to test with: {reason}");
            var server = await CephServer.Shared;
            Options = new S3Options
            {
                Endpoint = server.Endpoint,
                Region = server.Region,
                AccessKey = server.AccessKey,
                SecretKey = server.SecretKey,
                Bucket = await server.CreateBucketAsync(),
            };
        }

        public Task DisposeAsync() => Task.CompletedTask;
    }
}
