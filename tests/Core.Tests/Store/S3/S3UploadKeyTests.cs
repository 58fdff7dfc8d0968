using Amazon.Runtime;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>
/// What the key that signs clients' URLs may do in a bucket with the policy of docs/server.md, and what the server finds out about it.
/// </summary>
public sealed class S3UploadKeyTests() : S3KeyTests(static (user, bucket) => user.Policy(bucket, Prefix))
{
    private static readonly Dictionary<string, string> NoHeaders = [];
    private readonly byte[] _body = "a body"u8.ToArray();

    private S3Options WithKey => Options with { UploadAccessKey = User.AccessKey, UploadSecretKey = User.SecretKey };

    [UploadUserFact]
    public async Task What_the_upload_key_puts_the_server_reads_joins_and_deletes()
    {
        using var store = new S3ObjectStore(WithKey);
        var (small, large) = (Key("nar/small"), Key("nar/large"));
        var put = store.SignPut(small, null, TimeSpan.FromMinutes(1));
        var upload = await store.BeginMultipartAsync(large, 5 << 20, None);
        var part = Assert.Single(store.SignParts(large, upload, 5 << 20, 1, 1, TimeSpan.FromMinutes(1)));

        Assert.All([put.Url, part], url => Assert.Contains($"X-Amz-Credential={User.AccessKey}%2F", url.Query, StringComparison.Ordinal));
        Assert.Equal(200, await SendAsync(HttpMethod.Put, put.Url, put.Headers));
        Assert.Equal(200, await SendAsync(HttpMethod.Put, part, NoHeaders));

        var md5 = Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(_body));
        Assert.True(await store.CompleteMultipartAsync(large, upload, _body.Length, [md5], None));
        foreach (var key in (ObjectKey[])[small, large])
        {
            await using (var read = await store.GetAsync(key, null, None))
                Assert.Equal(_body.Length, read!.Length);
            Assert.Equal([FencedOutcome.Done], await store.DeleteAsync([key], DateTimeOffset.UtcNow.AddSeconds(30), None));
            Assert.Null(await store.HeadAsync(key, None));
        }
    }

    [UploadUserTheory]
    [InlineData("GET", "nar/clients")]
    [InlineData("GET", "nar/servers")]
    [InlineData("GET", "servers.narinfo")]
    [InlineData("GET", null)]
    [InlineData("DELETE", "nar/clients")]
    [InlineData("DELETE", "nar/servers")]
    [InlineData("DELETE", "servers.narinfo")]
    [InlineData("PUT", "servers.narinfo")]
    [InlineData("PUT", "new.narinfo")]
    // What the signature does not cover.
    [InlineData("PUT", "nar/new", "servers.narinfo")]
    [InlineData("PUT", "nar/new", "nar/clients")]
    public async Task The_store_refuses_the_upload_key(string method, string? key, string? source = null)
    {
        using var store = new S3ObjectStore(WithKey);
        var put = store.SignPut(Key("nar/clients"), null, TimeSpan.FromMinutes(1));
        Assert.Equal(200, await SendAsync(HttpMethod.Put, put.Url, put.Headers));
        await store.PutNewAsync(Key("nar/servers"), _body, None);
        await store.PutNewAsync(Key("servers.narinfo"), _body, None);
        var before = await StateAsync(store);
        var presigner = new S3Presigner(Options.BucketUrl, Prefix, Options.Region,
            new BasicAWSCredentials(User.AccessKey, User.SecretKey));
        var url = presigner.UntilFence(method, key is null ? null : Key(key), [], NoHeaders, DateTimeOffset.UtcNow.AddMinutes(1),
            DateTimeOffset.UtcNow);

        var status = await SendAsync(new HttpMethod(method), url, source is null ? NoHeaders
            : new() { ["x-amz-copy-source"] = $"/{Options.Bucket}/{Prefix}{source}" });

        Assert.Equal(403, status);
        Assert.Equal(before, await StateAsync(store));
    }

    [UploadUserFact]
    public async Task A_key_that_may_only_upload_is_found_right_and_the_probe_leaves_nothing()
    {
        using var store = new S3ObjectStore(WithKey);

        Assert.Equal(new UploadKeyRights(), await store.ProbeUploadKeyAsync(None));

        Assert.Empty(await StateAsync(store));
    }

    [UploadUserFact]
    public async Task The_server_s_own_key_is_found_to_do_everything_and_what_lies_in_the_bucket_stays()
    {
        using var store = new S3ObjectStore(WithKey with { UploadAccessKey = Ceph.AccessKey, UploadSecretKey = Ceph.SecretKey });
        await store.PutNewAsync(Key("nar/servers"), _body, None);

        Assert.Equal(new UploadKeyRights { Gets = true, Lists = true, Deletes = true, PutsElsewhere = true },
            await store.ProbeUploadKeyAsync(None));

        Assert.Equal("nar/servers", Assert.Single(await StateAsync(store)).Key.ToString());
    }

    [UploadUserTheory]
    [InlineData("s3:GetObject", "*", true, false, false, false)]
    [InlineData("s3:ListBucket", "", false, true, false, false)]
    [InlineData("s3:DeleteObject", "nar/*", false, false, true, false)]
    [InlineData("s3:DeleteObject", "u*", false, false, true, false)]
    [InlineData("s3:PutObject", "*", false, false, false, true)]
    public async Task Each_right_too_many_is_found(string action, string on, bool gets, bool lists, bool deletes, bool puts)
    {
        var resource = action == "s3:ListBucket" ? Options.Bucket : $"{Options.Bucket}/{Prefix}{on}";
        var allowed =
            $$"""{"Effect":"Allow","Principal":{"AWS":["{{User.Arn}}"]},"Action":["{{action}}"],"Resource":["arn:aws:s3:::{{resource}}"]}""";
        // What is allowed explicitly may not be denied.
        var policy = User.Policy(Options.Bucket, Prefix, allowed).Replace("s3:Get*", gets ? "s3:GetObjectAcl" : "s3:Get*",
            StringComparison.Ordinal)
            .Replace("s3:List*", lists ? "s3:GetObjectAcl" : "s3:List*", StringComparison.Ordinal)
                .Replace("s3:Delete*", deletes ? "s3:GetObjectAcl" : "s3:Delete*", StringComparison.Ordinal);
        await Ceph.SetPolicyAsync(Options.Bucket, policy);
        using var store = new S3ObjectStore(WithKey);

        Assert.Equal(new UploadKeyRights { Gets = gets, Lists = lists, Deletes = deletes, PutsElsewhere = puts },
            await store.ProbeUploadKeyAsync(None));
    }

    [UploadUserFact]
    public async Task Without_the_denial_an_uploader_reads_what_it_has_put()
    {
        await Ceph.SetPolicyAsync(Options.Bucket, User.Policy(Options.Bucket, Prefix)
            .Replace("\"s3:Get*\",", "", StringComparison.Ordinal));
        using var store = new S3ObjectStore(WithKey);

        Assert.Equal(new UploadKeyRights { Gets = true }, await store.ProbeUploadKeyAsync(None));
    }

    [UploadUserFact]
    public async Task A_key_that_may_read_only_what_others_have_put_is_found()
    {
        var (all, nars) = ($"arn:aws:s3:::{Options.Bucket}/{Prefix}*", $"arn:aws:s3:::{Options.Bucket}/{Prefix}nar/*");
        await Ceph.SetPolicyAsync(Options.Bucket, User.Policy(
            Options.Bucket, Prefix,
            $$"""{"Effect":"Allow","Principal":{"AWS":["{{User.Arn}}"]},"Action":["s3:GetObject"],"Resource":["{{all}}"]}""",
            $$"""{"Effect":"Deny","Principal":{"AWS":["{{User.Arn}}"]},"Action":["s3:GetObject"],"Resource":["{{nars}}"]}""")
                .Replace("\"s3:Get*\",", "", StringComparison.Ordinal));
        using var store = new S3ObjectStore(WithKey);

        Assert.Equal(new UploadKeyRights { Gets = true }, await store.ProbeUploadKeyAsync(None));
    }

    [UploadUserFact]
    public async Task A_key_that_may_not_put_or_that_the_store_does_not_know_is_found()
    {
        await Ceph.SetPolicyAsync(Options.Bucket, User.Policy(Options.Bucket, "elsewhere/"));
        using var store = new S3ObjectStore(WithKey);
        using var unknown = new S3ObjectStore(WithKey with { UploadAccessKey = "nobodys" });

        foreach (var probed in (S3ObjectStore[])[store, unknown])
            Assert.Equal(new UploadKeyRights { RefusedPut = "AccessDenied" }, await probed.ProbeUploadKeyAsync(None));

        Assert.Empty(await StateAsync(store));
    }

    [UploadUserFact]
    public async Task Uploads_that_the_server_cannot_read_are_found()
    {
        await Ceph.SetPolicyAsync(Options.Bucket, User.Policy(Options.Bucket, Prefix)
            .Replace($"\"{User.ServerArn}\"", "\"arn:aws:iam:::user/nobody\"", StringComparison.Ordinal));
        using var store = new S3ObjectStore(WithKey);

        Assert.True((await store.ProbeUploadKeyAsync(None))!.HidesFromServer);
    }

    [UploadUserFact]
    public async Task Without_an_upload_key_there_is_nothing_to_find()
    {
        using var store = new S3ObjectStore(WithKey with { UploadAccessKey = null, UploadSecretKey = null });

        Assert.Null(await store.ProbeUploadKeyAsync(None));
    }

    private static ObjectKey Key(string text) => ObjectKey.Parse(text);

    private static async Task<List<ObjectInfo>> StateAsync(S3ObjectStore store)
    {
        var all = new List<ObjectInfo>();
        await foreach (var info in store.ListAsync("", None))
            all.Add(info);
        return all;
    }

    private async Task<int> SendAsync(HttpMethod method, Uri url, IReadOnlyDictionary<string, string> headers)
    {
        using var request = new HttpRequestMessage(method, url)
        {
            Content = method != HttpMethod.Put ? null
            : new ByteArrayContent(headers.ContainsKey("x-amz-copy-source") ? [] : _body)
        };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content!.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await Http.SendAsync(request);
        return (int)response.StatusCode;
    }
}
