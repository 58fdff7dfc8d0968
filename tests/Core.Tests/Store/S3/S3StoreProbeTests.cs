using System.Net;
using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>
/// What the probe finds out about a real bucket, and about the same through a proxy that does as other stores do; and that what follows
/// from it works.
/// </summary>
public sealed class S3StoreProbeTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly ObjectKey Key = ObjectKey.Parse("nar/a");
    private static readonly byte[] Bytes = RandomNumberGenerator.GetBytes(5_000);
    private static readonly HttpClient Http = new();

    private CephServer _server = null!;
    private string _bucket = null!;
    private S3Proxy _proxy = null!;

    public async Task InitializeAsync()
    {
        if (CephServer.MissingReason is not null)
            return;
        _server = await CephServer.Shared;
        _bucket = await _server.CreateBucketAsync();
        _proxy = new S3Proxy(_server.Endpoint);
    }

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        if (_proxy is not null)
            await _proxy.DisposeAsync();
    }

    [S3Fact]
    public async Task A_store_as_it_should_be_has_the_defaults_and_nothing_is_left_in_it()
    {
        using var store = Open();

        Assert.Equal(new StoreTraits(), await store.ProbeAsync(default) with { Ahead = default });

        await foreach (var left in store.ListAsync("", default))
            Assert.Fail($"{left}");
    }

    [S3Fact]
    public async Task A_bucket_with_versions_is_tried_as_it_is_and_no_URL_works_twice_in_it()
    {
        using var client = _server.CreateClient();
        await client.PutBucketVersioningAsync(new PutBucketVersioningRequest
        {
            BucketName = _bucket,
            VersioningConfig = new S3BucketVersioningConfig { Status = VersionStatus.Enabled }
        });
        using var store = Open();

        var traits = await store.ProbeAsync(default);
        store.Adapt(traits);

        var url = store.SignPut(Key, null, TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.OK, await UploadAsync(url.Url, url.Headers, Bytes));
        var isReplaced = await UploadAsync(url.Url, url.Headers, [1]) == HttpStatusCode.OK;
        // Ceph 16 and 18 replace it, 20 does not: in either case nobody gets such a URL where it does.
        Assert.Equal(isReplaced, !traits.HoldsIfNoneMatch);
        Assert.Equal(!isReplaced, store.PutsOnce);
    }

    [S3Fact]
    public async Task A_refused_deletion_is_found_and_does_not_keep_the_server_from_starting()
    {
        await _server.SetPolicyAsync(_bucket,
            $$"""{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":["s3:DeleteObject"],"Resource":["arn:aws:s3:::{{_bucket}}/*"]}]}""");
        using var store = Open();

        Assert.Equal("AccessDenied", (await store.ProbeAsync(default)).DeletionRefused?.Code);
        // What is left of it is no trouble to the next one.
        Assert.Equal((true, "AccessDenied"), ((await store.ProbeAsync(default)) is var again && again.HoldsIfNoneMatch,
            again.DeletionRefused?.Code));
    }

    [S3Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_ETags_are_no_MD5_all_that_a_cache_does_works(bool looksLikeOne)
    {
        _proxy.ETag = etag => etag.Contains('-', StringComparison.Ordinal) ? etag : looksLikeOne ? new string([.. etag.Reverse()])
            : $"kms+{etag[..7]}";
        using var store = Open(_proxy.Url);

        var traits = await store.ProbeAsync(default);
        store.Adapt(traits);

        Assert.False(traits.EtagIsMd5);
        await store.PutNewAsync(Key, Bytes, default);
        Assert.Null((await store.HeadAsync(Key, default))!.ETag);
        Assert.Equal(Bytes, await ReadAsync(store, Key, null));
        Assert.Equal(Bytes[10..20], await ReadAsync(store, Key, new Core.Store.ByteRange(10, 19)));
        var empty = ObjectKey.Parse("nar/empty");
        await store.PutNewAsync(empty, Array.Empty<byte>(), default);
        Assert.Empty(await ReadAsync(store, empty, null));
    }

    [S3Fact]
    public async Task Where_If_None_Match_is_not_known_none_is_sent_and_no_URL_for_a_whole_object_is_given_out()
    {
        _proxy.Answer = request => request.Headers["If-None-Match"] is not null ? S3Proxy.Error(501, "NotImplemented") : null;
        using var store = Open(_proxy.Url);

        var traits = await store.ProbeAsync(default);
        store.Adapt(traits);

        Assert.Equal((false, false), (traits.KnowsIfNoneMatch, traits.HoldsIfNoneMatch));
        Assert.False(store.PutsOnce);
        await store.PutNewAsync(Key, Bytes, default);
        Assert.Equal(Bytes, await ReadAsync(store, Key, null));
    }

    [S3Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_a_retention_keeps_what_is_written_nothing_is_tried_and_each_PUT_has_its_MD5(bool tells)
    {
        _proxy.Answer = request => request switch
        {
            { HttpMethod: "GET" } when request.RawUrl!.Contains("object-lock", StringComparison.Ordinal) => tells
                ? (200, "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>")
                : S3Proxy.Error(403, "AccessDenied"),
            { HttpMethod: "PUT" } when request.Headers["Content-MD5"] is null =>
                S3Proxy.Error(400, "InvalidRequest",
                    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"),
            _ => null,
        };
        using var store = Open(_proxy.Url);

        var traits = await store.ProbeAsync(default);
        store.Adapt(traits);

        Assert.Equal((true, true, false), (traits.HasRetention, traits.WantsMd5, store.PutsOnce));
        Assert.Equal(tells ? 0 : 1, _proxy.Requests.Count(r => r.StartsWith("PUT", StringComparison.Ordinal)));
        await foreach (var left in store.ListAsync("", default))
            Assert.Fail($"{left}");
        await store.PutNewAsync(Key, Bytes, default);
        var upload = await store.BeginMultipartAsync(ObjectKey.Parse("nar/b"), 5_000, default);
        await store.PutPartAsync(ObjectKey.Parse("nar/b"), upload, 5_000, 1, Bytes, default);
        Assert.Equal(Bytes, await ReadAsync(store, Key, null));
    }

    [S3Theory]
    [InlineData(405, "MethodNotAllowed")]
    [InlineData(501, "NotImplemented")]
    [InlineData(400, "InvalidArgument")]
    [InlineData(403, "AccessDenied")]
    public async Task Where_many_objects_cannot_be_deleted_by_one_request_each_is_deleted_by_its_own(int status, string code)
    {
        _proxy.Answer = request => request is { HttpMethod: "POST" } && request.RawUrl!.Contains("delete=", StringComparison.Ordinal)
            ? S3Proxy.Error(status, code) : null;
        using var store = Open(_proxy.Url);

        var traits = await store.ProbeAsync(default);
        store.Adapt(traits);

        Assert.Equal((false, null), (traits.DeletesMany, traits.DeletionRefused));
        ObjectKey[] keys = [.. Enumerable.Range(0, 40).Select(i => ObjectKey.Parse($"nar/{i}"))];
        foreach (var key in keys[..^1])
            await store.PutNewAsync(key, Bytes, default);
        // The last one is not there, and counts as deleted.
        Assert.All(await store.DeleteAsync(keys, DateTimeOffset.UtcNow.AddSeconds(30), default), outcome =>
            Assert.Equal(FencedOutcome.Done, outcome));
        await foreach (var left in store.ListAsync("", default))
            Assert.Fail($"{left}");
        Assert.Equal([FencedOutcome.Refused], await store.DeleteAsync(keys[..1], DateTimeOffset.UtcNow.AddSeconds(-1), default));
    }

    [S3Fact]
    public async Task A_store_that_refuses_a_body_with_its_MD5_is_refused_with_what_to_do()
    {
        _proxy.Answer = request => request is { HttpMethod: "PUT" } && request.Headers["Content-MD5"] is not null
            ? S3Proxy.Error(400, "InvalidArgument") : null;
        using var store = Open(_proxy.Url);

        var e = await Assert.ThrowsAsync<ObjectStoreException>(() => store.ProbeAsync(default));

        Assert.True(e.Answer!.IsRefusal);
        Assert.Contains("PUT store-probe with Content-MD5 with InvalidArgument", e.Message, StringComparison.Ordinal);
        _proxy.Answer = static _ => null;
        await foreach (var left in store.ListAsync("", default))
            Assert.Fail($"{left}");
    }

    [S3Fact]
    public async Task A_store_that_compares_no_body_with_its_MD5_is_found()
    {
        _proxy.DropsMd5 = true;
        using var store = Open(_proxy.Url);

        Assert.Equal(new StoreTraits { ComparesMd5 = false }, await store.ProbeAsync(default) with { Ahead = default });
    }

    [S3Theory]
    [InlineData("GET", "/store-probe?")]
    [InlineData("GET", "list-type=2")]
    public async Task What_another_servers_probe_deletes_in_between_is_put_again(string method, string part)
    {
        var first = true;
        _proxy.Answer = request =>
        {
            // What is listed first is not put yet.
            if (request.HttpMethod != method || !request.RawUrl!.Contains(part, StringComparison.Ordinal) || !first
                || !_proxy.Requests.Any(r => r.StartsWith("PUT", StringComparison.Ordinal)))
                return null;
            first = false;
            DeleteNow(ObjectKey.Parse("store-probe"));
            return null;
        };
        using var store = Open(_proxy.Url);

        Assert.Equal(new StoreTraits(), await store.ProbeAsync(default) with { Ahead = default });
        Assert.False(first);
    }

    [S3Fact]
    public async Task Whatever_one_request_of_it_is_answered_it_finds_something_or_says_why_not()
    {
        var (at, request, answer) = (-1, 0, ((int, string)?)null);
        _proxy.Answer = _ => Interlocked.Increment(ref request) - 1 == at ? answer : null;
        using var store = Open(_proxy.Url);
        await store.ProbeAsync(default);
        var requests = request;

        for (at = 0; at < requests; at++)
        {
            // One of each sort.
            foreach (var (status, code, mends) in new[] { (403, "AccessDenied", false), (400, "MissingContentMD5", false),
                (501, "NotImplemented", false), (404, "NoSuchKey", false), (400, "BadDigest", false), (503, "SlowDown", true),
                (500, "InternalError", true) })
            {
                (request, answer) = (0, S3Proxy.Error(status, code));
                var (traits, e) = (default(StoreTraits), default(Exception));
                try
                {
                    traits = await store.ProbeAsync(default);
                }
                catch (ObjectStoreException refused)
                {
                    e = refused;
                    Assert.True(refused.Answer is { IsRefusal: true, Sentence.Length: > 20 }, $"request {at}, {code}: {e}");
                }

                if (mends)
                    Assert.True(traits == new StoreTraits { Ahead = traits?.Ahead ?? default },
                        $"request {at} of {requests}, {code}: {traits} {e}");
            }
        }

        await foreach (var left in store.ListAsync("", default))
            Assert.Fail($"{left}");
    }

    [S3Fact]
    public async Task A_URL_takes_a_body_with_its_MD5_and_the_store_compares()
    {
        using var store = Open();
        var url = store.SignPut(Key, null, TimeSpan.FromMinutes(1));

        Assert.Equal(HttpStatusCode.BadRequest, await UploadAsync(url.Url, url.Headers, Bytes, MD5.HashData([1])));
        Assert.Equal(HttpStatusCode.OK, await UploadAsync(url.Url, url.Headers, Bytes, MD5.HashData(Bytes)));
        var upload = await store.BeginMultipartAsync(Key, 5_000, default);
        Assert.Equal(HttpStatusCode.OK, await UploadAsync(store.SignParts(Key, upload, 5_000, 1, 1, TimeSpan.FromMinutes(1))[0],
            new Dictionary<string, string>(), Bytes, MD5.HashData(Bytes)));
    }

    [S3Fact]
    public async Task What_a_cache_cannot_do_without_is_refused_with_the_stores_code()
    {
        var options = Options(_server.Endpoint);
        Assert.Equal("NoSuchBucket", await RefusalAsync(options with { Bucket = "no-such-bucket" }));
        // Ceph that knows roles says no more of wrong keys.
        Assert.Contains(await RefusalAsync(options with { SecretKey = "wrong" }), (string[])["SignatureDoesNotMatch", "AccessDenied"]);
        Assert.Contains(await RefusalAsync(options with { AccessKey = "nobody" }), (string[])["InvalidAccessKeyId", "AccessDenied"]);
        Assert.NotNull(await RefusalAsync(options with { Endpoint = new Uri(_server.Endpoint, _bucket) }));

        _proxy.Answer = request => request.HttpMethod == "GET" && request.RawUrl!.Contains("list-type", StringComparison.Ordinal)
            ? S3Proxy.Error(403, "AccessDenied") : null;
        Assert.Equal("AccessDenied", await RefusalAsync(options with { Endpoint = _proxy.Url }));
        _proxy.Answer = _ => S3Proxy.Error(403, "RequestTimeTooSkewed");
        Assert.Equal("RequestTimeTooSkewed", await RefusalAsync(options with { Endpoint = _proxy.Url }));
        _proxy.Answer = _ => S3Proxy.Error(301, "PermanentRedirect");
        Assert.Equal("PermanentRedirect", await RefusalAsync(options with { Endpoint = _proxy.Url }));
    }

    private void DeleteNow(ObjectKey key)
    {
        using var direct = Open();
        direct.DeleteAsync([key], DateTimeOffset.UtcNow.AddSeconds(30), default).GetAwaiter().GetResult();
    }

    private static async Task<string?> RefusalAsync(S3Options options)
    {
        using var store = new S3ObjectStore(options);
        var e = await Assert.ThrowsAsync<ObjectStoreException>(() => store.ProbeAsync(default));
        Assert.True(e.Answer!.IsRefusal, e.Message);
        return e.Answer.Code;
    }

    private static async Task<byte[]> ReadAsync(S3ObjectStore store, ObjectKey key, Core.Store.ByteRange? range)
    {
        await using var body = (await store.GetAsync(key, range, default))!;
        using var bytes = new MemoryStream();
        await body.Stream.CopyToAsync(bytes);
        return bytes.ToArray();
    }

    private static async Task<HttpStatusCode> UploadAsync(Uri url, IReadOnlyDictionary<string, string> headers, byte[] body,
        byte[]? md5 = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentMD5 = md5;
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        return response.StatusCode;
    }

    private S3ObjectStore Open(Uri? endpoint = null) => new(Options(endpoint ?? _server.Endpoint));

    private S3Options Options(Uri endpoint) => new()
    {
        Endpoint = endpoint,
        Region = _server.Region,
        AccessKey = _server.AccessKey,
        SecretKey = _server.SecretKey,
        Bucket = _bucket
    };
}
