using OrleansCache.Cli.Common;
using OrleansCache.Cli.Import;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>What an import refuses, with all that refers to it, while the others go on.</summary>
public sealed class RefusalTests : ImportFixture
{
    [Theory]
    [InlineData("zstd")]
    [InlineData("xz")]
    [InlineData("none")]
    public async Task A_NAR_that_is_not_what_its_narinfo_says_is_not_published(string compression)
    {
        _source.Add("good");
        var bad = _source.Add("bad", compression: compression);
        _source.Objects[bad.Url] = _source.Objects[_source.Add("wrong", compression: compression).Url];
        _source.Add("above", ["bad", "good"]);
        _source.Add("beside", ["good"]);

        var result = await ImportAsync();

        AssertLive("good", "wrong", "beside");
        AssertRefused(result, "bad", "its hash is", "above");
        Assert.Single(_cache.Aborted);
    }

    [Fact]
    public async Task Small_NARs_beside_a_damaged_one_in_a_request_of_many_arrive_whole()
    {
        (_cache.TakesBatches, _cache.WantsMd5) = (true, false);
        for (var i = 0; i < 40; i++)
            _source.Add($"p{i}", size: 20_000);
        var bad = _source.Add("bad", size: 20_000);
        _source.Objects[bad.Url] = [.. _source.Objects[bad.Url][..^4000], .. new byte[4000]];

        var result = await ImportAsync();

        AssertLive([.. Enumerable.Range(0, 40).Select(i => $"p{i}")]);
        AssertRefused(result, "bad", "damaged");
    }

    [Fact]
    public async Task A_NAR_that_is_cut_short_or_missing_is_not_published()
    {
        var cut = _source.Add("cut", size: 5_000);
        _source.Objects[cut.Url] = _source.Objects[cut.Url][..^100];
        var gone = _source.Add("gone");
        _source.Objects.TryRemove(gone.Url, out _);
        _source.Add("good");

        var result = await ImportAsync();

        AssertLive("good");
        Assert.Contains("damaged", Why(result, "cut"), StringComparison.Ordinal);
        Assert.Contains("does not have nar/", Why(result, "gone"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-8)]
    [InlineData(8)]
    public async Task A_NAR_of_another_size_is_not_published(int more)
    {
        _source.Add("bad", before: info => info with { NarSize = info.NarSize + more });

        var result = await ImportAsync();

        AssertLive();
        AssertRefused(result, "bad", "bytes");
    }

    [Theory]
    [InlineData("zstd", "the file is larger than")]
    [InlineData("xz", "more than the")]
    public async Task A_bomb_is_read_no_further_than_its_narinfo_says(string compression, string why)
    {
        var bad = _source.Add("bad", compression: compression);
        var zeros = new byte[100_000_000];
        _source.Objects[bad.Url] = compression == "zstd" ? Zstd.Compress(zeros) : FakeSource.Compress(compression, zeros);

        var result = await ImportAsync();

        AssertLive();
        AssertRefused(result, "bad", why);
    }

    [Fact]
    public async Task A_reference_that_the_source_does_not_have_breaks_all_that_refers_to_it()
    {
        _source.Add("broken", ["nowhere"]);
        _source.Add("above", ["broken"]);
        _source.Add("good");

        var result = await ImportAsync();

        AssertLive("good");
        Assert.Contains("broken in the source", Why(result, "nowhere"), StringComparison.Ordinal);
        Assert.Contains(FakeSource.PathOf("nowhere").ToString(), Why(result, "above"), StringComparison.Ordinal);
        Assert.Equal(3, result.Refused.Count);
        Assert.Contains(_notes, note => note.StartsWith(FakeSource.PathOf("nowhere").ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_path_that_no_given_key_has_signed_is_refused_with_all_that_refers_to_it()
    {
        _source.Add("strange", key: SecretKey.Generate("stranger-1"));
        _source.Add("above", ["strange"]);
        _source.Add("changed", after: info => info with { NarSize = info.NarSize + 1 });
        _source.Add("unsigned", after: info => info with { Signatures = [] });
        _source.Add("good");

        var result = await ImportAsync();

        AssertLive("good");
        Assert.Contains("signed by 'stranger-1'", Why(result, "strange"), StringComparison.Ordinal);
        Assert.Contains("not trusted", Why(result, "above"), StringComparison.Ordinal);
        Assert.Contains("'old-1' is not valid", Why(result, "changed"), StringComparison.Ordinal);
        Assert.Contains("no signature", Why(result, "unsigned"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_no_check_of_signatures_all_is_taken_whose_NAR_is_right()
    {
        _source.Add("strange", key: SecretKey.Generate("stranger-1"));
        _source.Add("unsigned", after: info => info with { Signatures = [] });

        await ImportAsync(trust: new SourceTrust(null));

        AssertLive("strange", "unsigned");
    }

    [Fact]
    public async Task A_content_address_that_the_NAR_does_not_have_vouches_for_nothing()
    {
        Assert.True(ContentAddress.TryParse($"fixed:r:{Sha256Hash.Compute("another"u8).ToNix32String()}", out var address));
        var path = new StorePath(ContentAddressedPath.HashOf(address, [], false, "ca")!.Value, "ca");
        var info = _source.Add("ca", before: i => i with { StorePath = path, Ca = address }, after: i => i with { Signatures = [] });
        _source.Put($"{path.Hash}.narinfo", info.Print());
        _source.Objects.TryRemove($"{Hash("ca")}.narinfo", out _);

        var result = await ImportAsync();

        AssertLive();
        Assert.Contains("content address", Assert.Single(result.Refused).Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_narinfo_that_cannot_be_read_or_is_anothers_is_refused()
    {
        _source.Put($"{Hash("nonsense")}.narinfo", "StorePath: x\n");
        _source.Put($"{Hash("other")}.narinfo", _source.Add("good").Print());

        var result = await ImportAsync();

        AssertLive("good");
        Assert.Equal(2, result.Refused.Count);
        Assert.All(result.Refused, refusal => Assert.Contains("cannot be used", refusal.Why, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_unknown_compression_and_a_URL_that_leads_elsewhere_are_refused()
    {
        _source.Add("lzip", after: info => info with { Compression = "lzip" });

        var result = await ImportAsync();

        AssertRefused(result, "lzip", "lzip");
        Assert.Throws<IOException>(() => new FolderSource(Path.GetTempPath()).Open("../etc/passwd", default));
        Assert.Throws<IOException>(() => new FolderSource(Path.GetTempPath()).Open("/etc/passwd", default));
    }

    [Fact]
    public async Task What_the_server_says_of_single_paths_refuses_them_alone()
    {
        _source.Add("good");
        var barred = _source.Add("barred");
        var refused = 0;
        _cache.Misbehave = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith("/commit", StringComparison.Ordinal) || Interlocked.Increment(ref refused) > 1)
                return false;
            await Fake.FakeCache.ProblemAsync(context, 422, "untrue", "no such reference", [barred.StorePath.Hash]);
            return true;
        };

        var result = await ImportAsync();

        AssertLive("good");
        AssertRefused(result, "barred", "no such reference");
    }

    private static void AssertRefused(ImportResult result, string name, string why, params string[] referrers)
    {
        Assert.Contains(why, Why(result, name), StringComparison.Ordinal);
        foreach (var referrer in referrers)
            Assert.Equal(FakeSource.PathOf(name).ToString(),
                result.Refused.Single(refusal => refusal.Path == FakeSource.PathOf(referrer).ToString()).Cause);
        Assert.Equal(1 + referrers.Length, result.Refused.Count);
        Assert.Equal(ExitCodes.Failed, result.ExitCode);
    }

    private static string Why(ImportResult result, string name) =>
        result.Refused.Single(refusal => refusal.Path == FakeSource.PathOf(name).ToString()).Why;
}
