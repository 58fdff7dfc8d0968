using System.Net;
using System.Net.Http.Headers;
using OrleansCache.Contracts;
using OrleansCache.Core.Store.S3;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>
/// What the key that signs readers' URLs may do in a bucket with the statement of docs/server.md, and what the server finds out about it.
/// </summary>
public sealed class S3ReadKeyTests() : S3KeyTests(static (user, bucket) => user.ReadPolicy(bucket, Prefix))
{
    private readonly byte[] _body = "a body of some bytes"u8.ToArray();

    private S3Options WithKey => Options with { ReadAccessKey = User.AccessKey, ReadSecretKey = User.SecretKey };

    [UploadUserTheory]
    [InlineData("")]
    [InlineData("c/team/")]
    public async Task A_URL_gives_the_NAR_whole_and_in_ranges_and_nothing_else(string below)
    {
        using var store = new S3ObjectStore(WithKey with { Prefix = Prefix + below });
        var (nar, info) = (ObjectKey.Parse("nar/a"), ObjectKey.Parse("a.narinfo"));
        await store.PutNewAsync(nar, _body, None);
        await store.PutNewAsync(info, _body, None);
        var url = store.SignGet(nar, TimeSpan.FromMinutes(1))!;

        using var whole = await Http.GetAsync(url);
        using var request = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { Range = new RangeHeaderValue(2, 5) } };
        using var range = await Http.SendAsync(request);
        using var put = await Http.PutAsync(url, new ByteArrayContent(_body));
        using var deleted = await Http.DeleteAsync(url);
        using var elsewhere = await Http.GetAsync(store.SignGet(info, TimeSpan.FromMinutes(1)));

        Assert.Equal(_body, await whole.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.PartialContent, range.StatusCode);
        Assert.Equal(_body[2..6], await range.Content.ReadAsByteArrayAsync());
        Assert.All([put, deleted, elsewhere], answer => Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode));
        Assert.NotNull(await store.HeadAsync(nar, None));
    }

    [UploadUserFact]
    public async Task A_key_that_may_only_get_NARs_is_found_right_and_the_probe_leaves_nothing()
    {
        using var store = new S3ObjectStore(WithKey);

        Assert.Equal(new ReadKeyRights(), await store.ProbeReadKeyAsync(None));

        await foreach (var left in store.ListAsync("", None))
            Assert.Fail($"{left.Key} is left");
    }

    [UploadUserTheory]
    [InlineData("s3:GetObject", "*", true, false, false, false)]
    [InlineData("s3:ListBucket", "", false, true, false, false)]
    [InlineData("s3:PutObject", "*", false, false, true, false)]
    [InlineData("s3:DeleteObject", "nar/*", false, false, false, true)]
    public async Task Each_right_too_many_is_found(string action, string on, bool elsewhere, bool lists, bool puts, bool deletes)
    {
        var resource = action == "s3:ListBucket" ? Options.Bucket : $"{Options.Bucket}/{Prefix}{on}";
        var server = $"{Options.Bucket}/*";
        await Ceph.SetPolicyAsync(Options.Bucket, User.ReadPolicy(Options.Bucket, Prefix,
            $$"""{"Effect":"Allow","Principal":{"AWS":["{{User.Arn}}"]},"Action":["{{action}}"],"Resource":["arn:aws:s3:::{{resource}}"]}""",
            $$"""{"Effect":"Allow","Principal":{"AWS":["{{User.ServerArn}}"]},"Action":["s3:*"],"Resource":["arn:aws:s3:::{{server}}"]}"""));
        using var store = new S3ObjectStore(WithKey);

        var found = (await store.ProbeReadKeyAsync(None))!;

        // On Ceph who puts an object owns it, and may delete it, too.
        Assert.Equal(new ReadKeyRights { GetsElsewhere = elsewhere, Lists = lists, Puts = puts, Deletes = deletes },
            found with { Deletes = found.Deletes && !puts, GetsElsewhere = found.GetsElsewhere && !puts });
    }

    [UploadUserFact]
    public async Task A_key_that_may_not_get_or_that_the_store_does_not_know_is_found()
    {
        await Ceph.SetPolicyAsync(Options.Bucket, User.ReadPolicy(Options.Bucket, "elsewhere/"));
        using var store = new S3ObjectStore(WithKey);
        using var unknown = new S3ObjectStore(WithKey with { ReadAccessKey = "nobodys" });

        foreach (var probed in (S3ObjectStore[])[store, unknown])
            Assert.NotNull((await probed.ProbeReadKeyAsync(None))!.RefusedGet);
    }

    [UploadUserFact]
    public async Task Without_a_read_key_no_URL_is_signed()
    {
        using var store = new S3ObjectStore(WithKey with { ReadAccessKey = null, ReadSecretKey = null });

        Assert.Null(store.SignGet(ObjectKey.Parse("nar/a"), TimeSpan.FromMinutes(1)));
        Assert.Null(await store.ProbeReadKeyAsync(None));
    }
}
