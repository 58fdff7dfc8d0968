using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Store;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Contracts;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>Whole pushes against a server that misbehaves, over real connections; what arrived is checked as NARs.</summary>
public sealed class PusherTests : PusherFixture
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_hash_is_computed_that_nobody_asks_for(bool serverHashes)
    {
        (_cache.WantsMd5, _cache.Hashes) = (false, serverHashes);
        _cache.SinglePutLimit = 100_000;
        _store.Add("single", 10_000);
        _store.Add("parts", 300_000, noise: true);

        await PushAsync();

        AssertAllArrived();
    }

    [Fact]
    public async Task Everything_arrives_as_valid_nars_with_listings()
    {
        for (var i = 0; i < 40; i++)
            _store.Add($"small-{i}", i * 37);
        _store.Add("large", 1_000_000, noise: true);

        var result = await PushAsync();

        AssertAllArrived();
        Assert.Equal((41, 0, 41, 41), (result.Paths, result.Present, result.Uploaded, result.Published));
        Assert.Equal(41, _cache.Listings.Count);
        Assert.All(_cache.Listings.Values, listing => Assert.Contains("\"file\":{\"type\":\"regular\"", listing, StringComparison.Ordinal));
        Assert.Equal(1, _cache.Reports);
    }

    [Fact]
    public async Task What_is_there_is_not_sent_again()
    {
        _store.Add("a", 1000);
        await PushAsync();
        _cache.Requests.Clear();

        var result = await PushAsync();

        Assert.Equal((1, 0), (result.Present, result.Uploaded));
        Assert.Equal(["POST /a/prefix/v1/caches/default/pushes", "POST /a/prefix/v1/caches/default/pushes/push3/commit"], _cache.Requests);
    }

    [Theory]
    [InlineData(4 << 10)] // more parts than the grant has URLs for
    [InlineData(300_000)]
    public async Task A_large_nar_goes_in_parts_of_the_size_that_was_asked_for(int partSize)
    {
        _cache.SinglePutLimit = 0;
        _cache.PartSize = partSize;
        _store.Add("noise", 700_000, noise: true);
        _store.Add("text", 700_000);

        await PushAsync();

        AssertAllArrived();
    }

    [Theory]
    [InlineData(100_000)] // in one write of the small buffer
    [InlineData(250_000)] // does not fit into that one
    [InlineData(3_000_000)]
    [InlineData(20_000_000)] // in jobs
    [InlineData(30_000_000)] // in jobs of several threads
    public async Task A_nar_of_any_size_is_one_frame_that_is_as_small_as_zstd_makes_it(int size)
    {
        foreach (var serverHashes in new[] { false, true })
        {
            _cache.Hashes = serverHashes;
            var info = _store.Add($"{size}-{serverHashes}", size);

            var result = await PushAsync();

            AssertAllArrived();
            Assert.InRange(result.FileBytes, 1, Zstd.Compress(_store.Nar(info)).Length * 2);
        }
    }

    [Fact]
    public async Task Memory_for_one_part_is_enough_for_any_number_of_nars()
    {
        _cache.SinglePutLimit = 200_000;
        for (var i = 0; i < 6; i++)
            _store.Add($"{i}", 150_000 + i * 20_000, noise: true);

        await PushAsync(change: options => options with { Memory = SegmentPool.SegmentSize, Jobs = 4 });

        AssertAllArrived();
    }

    [Fact]
    public async Task Two_paths_with_one_nar_are_uploaded_once()
    {
        var a = _store.Add("a", 5000, seed: 1);
        var b = _store.Add("b", 5000, seed: 1);

        var result = await PushAsync();

        Assert.Equal(a.NarHash, b.NarHash);
        Assert.Equal(1, result.Uploaded);
        Assert.Equal(2, _cache.Listings.Count);
        AssertAllArrived();
    }

    [Theory]
    [InlineData("/pushes")]
    [InlineData("/commit")]
    [InlineData("/uploaded")]
    [InlineData("/store/")]
    public async Task A_server_that_is_busy_or_hangs_up_is_asked_again(string route)
    {
        _store.Add("a", 5000);
        _store.Add("b", 200_000, noise: true);
        var (busy, dropped) = (First(2, Fits, context => Status(context, 503)), First(2, Fits, Drop));
        _cache.Misbehave = async context => await busy(context) || await dropped(context);

        await PushAsync();

        AssertAllArrived();
        bool Fits(HttpRequest request) => route == "/store/" ? request.Path.Value!.Contains(route, StringComparison.Ordinal)
            : request.Path.Value!.EndsWith(route, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_commit_waits_for_is_told_once()
    {
        const string Reason = "The object store answers PUT a.narinfo with QuotaExceeded.";
        _store.Add("a", 100);
        _cache.Misbehave = First(3, request => request.Path.Value!.EndsWith("/commit", StringComparison.Ordinal), async context =>
        {
            context.Response.StatusCode = 202;
            await context.Response.WriteAsync($$"""{"id":"1","state":"committing","published":0,"waitsFor":"{{Reason}}"}""");
        });

        await PushAsync();

        Assert.Equal($"not published yet: {Reason}", Assert.Single(_notes));
        AssertAllArrived();
    }

    [Fact]
    public async Task A_push_that_has_ended_is_begun_again_and_sends_only_what_is_missing()
    {
        _store.Add("a", 1000);
        _store.Add("b", 2000);
        _cache.Misbehave = First(1, request => request.Path.Value!.EndsWith("/commit", StringComparison.Ordinal), async context =>
        {
            _cache.ForgetPushes();
            await FakeCache.ProblemAsync(context, 410, "push-ended", "the push has ended");
        });

        await PushAsync();

        AssertAllArrived();
        Assert.Equal(2, _cache.Requests.Count(request => request.Contains("/store/", StringComparison.Ordinal)));
        Assert.Contains(_notes, note => note.Contains("beginning again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Beginning_again_has_an_end()
    {
        _store.Add("a", 1000);
        _cache.Misbehave = First(int.MaxValue, request => request.Path.Value!.EndsWith("/commit", StringComparison.Ordinal),
            context => FakeCache.ProblemAsync(context, 409, "missing-paths", "some paths are gone"));

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Equal((ExitCodes.Failed, "some paths are gone"), (error.ExitCode, error.Message));
        Assert.Equal(4, _cache.Requests.Count(request => request.EndsWith("/pushes", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_another_push_uploads_is_waited_for_and_taken_over_when_it_fails()
    {
        var present = _store.Add("present", 10);
        var stored = _store.Add("stored", 20);
        var ours = _store.Add("ours", 30);
        _cache.StateOf = _ => PathState.Wait;
        _cache.WaitStateOf = path => path == present.Path.Hash ? PathState.Present : path == stored.Path.Hash ? PathState.Stored
            : PathState.Upload;
        _cache.Nars[stored.NarHash] = _store.Nar(stored);
        _cache.Nars.Remove(present.NarHash, out _);

        var result = await PushAsync();

        Assert.Equal(1, result.Uploaded);
        Assert.Equal(_store.Nar(ours), _cache.Nars[ours.NarHash]);
        Assert.Equal(3, _cache.Live.Count);
        Assert.Equal(new[] { stored.Path.Hash, ours.Path.Hash }.Order(), _cache.Listings.Keys.Order());
    }

    [Fact]
    public async Task A_token_that_is_refused_is_not_tried_again()
    {
        _store.Add("a", 10);
        _cache.Token = "right";

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync(token: "wrong"));

        Assert.Equal(ExitCodes.Refused, error.ExitCode);
        Assert.Single(_cache.Requests);
        await PushAsync(token: "right");
        AssertAllArrived();
    }

    [Fact]
    public async Task The_token_is_for_the_server_alone_and_never_sent_with_an_upload()
    {
        _store.Add("a", 10);
        var authorized = new List<string>();
        _cache.Misbehave = context =>
        {
            lock (authorized)
            {
                if (context.Request.Headers.Authorization.Count > 0)
                    authorized.Add(context.Request.Path.Value!);
            }

            return Task.FromResult(false);
        };

        await PushAsync(token: "secret");

        Assert.NotEmpty(authorized);
        Assert.DoesNotContain(authorized, path => path.Contains("/store/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_interrupt_ends_the_push()
    {
        _store.Add("a", 1000);
        using var interrupt = new CancellationTokenSource();
        _cache.Misbehave = First(1, request => request.Method == "PUT", async context =>
        {
            await interrupt.CancelAsync();
            await Status(context, 503);
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => PushAsync(cancellationToken: interrupt.Token));

        Assert.Equal(["push1"], _cache.Aborted);
        Assert.Empty(_cache.Live);
    }

    [Fact]
    public async Task A_push_that_fails_is_ended()
    {
        _store.Add("a", 1000);
        _cache.Misbehave = First(int.MaxValue, request => request.Method == "PUT", context => Status(context, 507));

        await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Equal(["push1"], _cache.Aborted);
    }

    [Fact]
    public void A_size_that_Nix_has_not_recorded_is_measured()
    {
        var info = _store.Add("a", 1234);
        var unknown = PathInfoJson.Parse(System.Text.Encoding.UTF8.GetBytes(
            $$"""[{"path":"{{info.Path}}","narHash":"{{info.NarHash.ToSri()}}","narSize":0,"references":[]},{"path":"{{info.Path}}","narHash":"{{info.NarHash.ToSri()}}","references":[]}]"""));

        foreach (var path in unknown)
            Assert.Equal(info.NarSize, LocalNar.Sized(path, NixPlaces.Of($"local?real={_store.Folder}", _ => null),
                CancellationToken.None).NarSize);
    }

    [Fact]
    public async Task Names_that_Nix_has_changed_on_disk_are_sent_as_they_were()
    {
        var info = _store.AddCaseHacked("a", "file", "File~nix~case~hack~1");

        await PushAsync(change: options => options with { CaseHack = true });

        AssertAllArrived();
        Assert.DoesNotContain("case~hack", System.Text.Encoding.UTF8.GetString(_cache.Nars[info.NarHash]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logs_and_realisations_that_the_cache_lacks_are_sent()
    {
        var info = _store.Add("a", 10);
        var drv = OrleansCache.Nix.StorePath.Parse($"{info.Path.Hash}-a.drv");
        var log = Path.Combine(_store.Folder, "log");
        var id = RealisationId.Parse($"sha256:{new string('a', 64)}!out");
        await File.WriteAllTextAsync(log, "building\n");
        var closure = _store.Closure with
        {
            Logs = new Dictionary<OrleansCache.Nix.StorePath, (OrleansCache.Nix.StorePathHash, string)> { [drv] = (info.Path.Hash, log) },
            Realisations = new Dictionary<RealisationId, Realisation> { [id] = new(id, info.Path.Hash, "{}") },
        };

        await PushAsync(closure);

        Assert.Equal("building\n", _cache.Logs[drv.BaseName]);
        Assert.Equal("{}", _cache.Realisations[id]);
    }

    [Fact]
    public async Task A_server_of_another_kind_is_recognised()
    {
        _store.Add("a", 10);
        _cache.Misbehave = async context =>
        {
            await context.Response.WriteAsync("<html>");
            return true;
        };

        var error = await Assert.ThrowsAsync<CliException>(() => PushAsync());

        Assert.Contains("not this protocol", error.Message, StringComparison.Ordinal);
    }
}
