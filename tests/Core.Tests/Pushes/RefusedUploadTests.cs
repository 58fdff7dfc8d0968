using System.Security.Cryptography;
using System.Web;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.Local;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>
/// What has arrived is not what was declared. An object is never replaced, so the push has to get another key, or it could never be mended.
/// </summary>
public sealed class RefusedUploadTests
{
    [Fact]
    public async Task A_push_whose_upload_was_refused_gets_another_key_and_commits()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        world.Store.Upload(push.Uploads[0].Url!, [1, 2, 3]);
        var report = await world.UploadAsync(push);
        Assert.Equal((1, "size-mismatch"), (report.Stored.Count, report.Rejected.Single().Reason));
        var refused = report.Rejected.Single().Upload;

        var again = await world.WaitAsync(push, "a", "b");

        var grant = Assert.Single(again.Uploads);
        Assert.NotEqual(refused, grant.Id);
        Assert.NotEqual(push.Uploads.Single(u => u.Id == refused).Url, grant.Url);
        Assert.Single((await world.UploadAsync(push, again.Uploads)).Stored);
        Assert.Equal((PushState.Committed, 2), ((await world.CommitAsync(push)).State, world.Store.NarInfos.Count()));
        await world.AssertSoundAsync();
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from object where kind = 'nar' and state = 'deleting'"));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        Assert.DoesNotContain([1, 2, 3], world.Store.Objects.Values);
    }

    [Fact]
    public async Task Who_waits_for_a_refused_upload_gets_the_claim_at_once()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        var other = await world.BeginAsync(World.Chain("a"));
        Assert.Equal(PathState.Wait, other.Missing.Single().State);
        world.Store.Upload(push.Uploads[0].Url!, [1, 2, 3]);

        await world.UploadAsync(push);

        Assert.Equal(PathState.Upload, (await world.WaitAsync(other, "a")).Paths.Single().State);
    }

    [Fact]
    public async Task A_wrong_report_of_what_was_recorded_before_takes_nothing_away()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        await world.UploadAsync(push);

        var wrong = await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport
        {
            Uploads = [new UploadedNar { Upload = push.Uploads[0].Id, FileHash = Sha256Hash.Compute([]), FileSize = 1, Md5 = ["00"] }],
        }, CancellationToken.None);

        Assert.Equal("size-mismatch", wrong.Rejected.Single().Reason);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push)).State);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_short_upload_is_not_recorded()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a"));
        world.Store.Upload(push.Uploads[0].Url!, [1, 2, 3]);

        var report = await world.UploadAsync(push);

        Assert.Empty(report.Stored);
        Assert.Equal("size-mismatch", report.Rejected.Single().Reason);
        await Assert.ThrowsAsync<CacheProblemException>(() => world.CommitAsync(push));
    }

    [Fact]
    public async Task A_grant_cannot_be_reported_with_the_key_of_another()
    {
        await using var world = await World.CreateAsync();
        var push = await world.BeginAsync(World.Chain("a", "b"));
        await world.UploadAsync(push, [push.Uploads[0]]);
        var (first, second) = (push.Uploads[0].Id.Split('~'), push.Uploads[1].Id.Split('~'));
        first[0] = second[0];
        var body = System.Text.Encoding.UTF8.GetBytes(push.Uploads[0].Id);

        var report = await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport
        {
            Uploads = [new UploadedNar { Upload = string.Join('~', first), FileHash = Sha256Hash.Compute(body), FileSize = body.Length,
                Md5 = [Convert.ToHexStringLower(MD5.HashData(body))] }],
        }, CancellationToken.None);

        Assert.Equal("ended", report.Rejected.Single().Reason);
    }

    [Theory]
    [InlineData(4_000)]
    [InlineData(40 << 20)] // in parts
    public async Task In_a_folder_too_a_push_whose_upload_was_damaged_on_its_way_is_mended(int size)
    {
        await using var world = await World.CreateAsync();
        using var folder = new TempFolder();
        var store = new DirectoryObjectStore(new DirectoryOptions
        {
            Root = folder["store"],
            PublicUrl = new Uri("http://127.0.0.1/"),
            UrlSecret = new byte[32]
        });
        await using var core = await CacheCore.StartAsync(
            new CoreOptions { ConnectionString = world.ConnectionString, Store = store, SigningKeys = [World.Key], Housekeeping = false },
            NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
        var nar = RandomNumberGenerator.GetBytes(size);
        var push = await world.BeginAsync(World.Closure(World.Path("a") with { NarHash = Sha256Hash.Compute(nar), NarSize = size }),
            pushes: core.Pushes);
        Assert.Equal(size > 1 << 20, push.Uploads.Single().Url is null);
        var file = Zstd.Compress(nar);
        byte[] damaged = [.. file];
        damaged[size / 2] ^= 1;

        Assert.Equal("hash-mismatch", (await SendAsync(push.Uploads.Single(), damaged)).Rejected.Single().Reason);
        var again = await core.Pushes.WaitAsync(CacheName.Default, World.Id(push),
            new WaitRequest { Paths = [World.Hash("a")], TimeoutSeconds = 0 }, CancellationToken.None);
        Assert.Single((await SendAsync(Assert.Single(again.Uploads), file)).Stored);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(push, core.Pushes)).State);

        var info = NarInfo.Parse(await File.ReadAllTextAsync(folder[$"store/{World.Hash("a")}.narinfo"]));
        Assert.Equal(file, await File.ReadAllBytesAsync(folder[$"store/{info.Url}"]));
        Assert.Equal((Sha256Hash.Compute(file), file.Length), (info.FileHash, info.FileSize));

        async Task<ReportAnswer> SendAsync(UploadGrant grant, byte[] body)
        {
            Assert.True(grant.ServerHashes);
            var part = (int)(grant.PartSize ?? body.Length);
            foreach (var (i, piece) in body.Chunk(part).Index())
            {
                var url = grant.Url ?? grant.Parts[i];
                var query = HttpUtility.ParseQueryString(url.Query);
                var ticket = store.TryVerify(Uri.UnescapeDataString(url.AbsolutePath["/upload/".Length..]), name => query[name],
                    DateTimeOffset.UtcNow);
                Assert.Equal(UploadStatus.Stored, await store.ReceiveAsync(ticket!, new MemoryStream(piece), piece.Length,
                    CancellationToken.None));
            }

            return await core.Pushes.ReportAsync(CacheName.Default, World.Id(push),
                new UploadReport { Uploads = [new UploadedNar { Upload = grant.Id, FileSize = body.Length }] }, CancellationToken.None);
        }
    }
}
