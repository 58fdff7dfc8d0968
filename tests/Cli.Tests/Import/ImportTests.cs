using OrleansCache.Cli.Common;
using OrleansCache.Cli.Import;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>What an import takes over, and how.</summary>
public sealed class ImportTests : ImportFixture
{
    [Theory]
    [InlineData("zstd", true)]
    [InlineData("none", false)]
    [InlineData("xz", false)]
    [InlineData("bzip2", false)]
    public async Task A_file_of_zstd_is_sent_as_it_is_and_others_are_compressed_anew(string compression, bool asItIs)
    {
        var small = _source.Add("small", compression: compression);
        _source.Add("large", ["small"], compression, size: 400_000);
        _cache.SinglePutLimit = 100_000; // the large one goes in parts

        var result = await ImportAsync();

        AssertLive("small", "large");
        Assert.Equal(asItIs ? (2, 0) : (0, 2), (result.Tally.Copied, result.Tally.Compressed));
        Assert.Equal(ExitCodes.Ok, result.ExitCode);
        Assert.Equal(FakeSource.Nar("large", 400_000), _cache.Nars[_cache.Live[FakeSource.PathOf("large").Hash].NarHash]);
        Assert.Equal(small.Signatures, _cache.Live[small.StorePath.Hash].Signatures);
        Assert.Equal(2, _cache.Listings.Count);
    }

    [Fact]
    public async Task A_NAR_that_fits_into_no_buffer_is_compressed_in_steps()
    {
        _source.Add("large", compression: "none", size: 40_000_000);

        await ImportAsync();

        AssertLive("large");
    }

    [Fact]
    public async Task A_second_run_reads_no_narinfo_and_sends_nothing()
    {
        _source.Add("a");
        _source.Add("b", ["a"]);
        await ImportAsync();
        _source.Asked.Clear();
        var before = _cache.Begun.Count;

        var result = await ImportAsync();

        Assert.Equal((2, 2, 0), (result.Tally.Paths, result.Tally.Present, result.Tally.Pushes));
        Assert.Equal(["nix-cache-info"], _source.Asked);
        Assert.Equal(before, _cache.Begun.Count);
    }

    [Fact]
    public async Task What_appears_in_the_source_comes_with_the_next_run_alone()
    {
        _source.Add("a");
        await ImportAsync();
        _source.Add("b", ["a"]);

        var result = await ImportAsync();

        AssertLive("a", "b");
        Assert.Equal(1, result.Tally.Published);
        Assert.Single(_cache.Begun.Last().Roots);
    }

    [Fact]
    public async Task Many_paths_go_in_pushes_of_bounded_size_each_with_its_whole_closure()
    {
        var names = Enumerable.Range(0, 25).Select(i => $"p{i}").ToList();
        foreach (var (i, name) in names.Index())
            _source.Add(name, i == 0 ? [] : [$"p{i - 1}", $"p{i / 2}", name]);

        var result = await ImportAsync(groups: 10);

        AssertLive([.. names]);
        Assert.Equal(3, result.Tally.Pushes);
        foreach (var push in _cache.Begun)
        {
            var declared = push.Paths.Select(path => path.Path.Hash).ToHashSet();
            Assert.All(push.Paths, path => Assert.Subset(declared, path.References.ToHashSet()));
            Assert.Subset(declared, push.Roots.ToHashSet());
        }
    }

    [Fact]
    public async Task Named_paths_come_with_what_they_need_and_nothing_else_also_where_nothing_can_be_listed()
    {
        _source.Add("base");
        _source.Add("app", ["base"]);
        _source.Add("other", ["base"]);
        var only = new FakeSource { Lists = false };
        foreach (var (key, bytes) in _source.Objects)
            only.Objects[key] = bytes;

        await ImportAsync(new ImportOptions { Roots = [FakeSource.PathOf("app").Hash] }, source: only);

        AssertLive("base", "app");
    }

    [Fact]
    public async Task Logs_and_realisations_go_along_in_whatever_encoding_they_are_kept()
    {
        var nar = FakeSource.Nar("ca", 100);
        Assert.True(ContentAddress.TryParse($"fixed:r:{Sha256Hash.Compute(nar).ToNix32String()}", out var address));
        var path = new StorePath(ContentAddressedPath.HashOf(address, [], false, "ca")!.Value, "ca");
        // No key has signed it: its address is what vouches for it.
        var info = _source.Add("ca", before: i => i with { StorePath = path, Ca = address }, key: SecretKey.Generate("stranger-1"));
        _source.Put($"{path.Hash}.narinfo", info.Print());
        _source.Objects.TryRemove($"{Hash("ca")}.narinfo", out _);
        _source.Put("log/" + info.Deriver!.Value.BaseName, "plain log");
        var id = $"sha256:{new string('a', 64)}!out";
        _source.Put($"realisations/{id}.doi", $$"""{"id":"{{id}}","outPath":"{{path.BaseName}}","signatures":[]}""");
        _source.Put($"build-trace-v2/{info.Deriver.Value.BaseName}/out.doi", $$$"""{"key":{},"value":{"outPath":"{{{path.BaseName}}}"}}""");
        var other = _source.Add("b");
        _source.Objects["log/" + other.Deriver!.Value.BaseName] = Zstd.Compress("packed log"u8);
        _source.Objects[$"{Hash("b")}.narinfo"] = Zstd.Compress(_source.Objects[$"{Hash("b")}.narinfo"]);
        _source.Put($"log/{FakeSource.PathOf("elsewhere").BaseName}.drv", "of nobody");

        var result = await ImportAsync();

        AssertLive("ca", "b");
        Assert.Equal(["packed log", "plain log"], _cache.Logs.Values.Order());
        Assert.Equal((2, 2), (result.Tally.Logs, result.Tally.Realisations));
        Assert.Equal(new[] { id, $"{info.Deriver.Value.BaseName}^out" }.Order(), _cache.Realisations.Keys.Select(key => key.ToString()).Order());
    }

    [Fact]
    public async Task A_dry_run_tells_what_would_be_done_and_does_nothing()
    {
        _source.Add("a");
        await ImportAsync();
        var b = _source.Add("b", ["a"]);
        _source.Add("bad", ["b"], key: SecretKey.Generate("stranger-1"));
        var pushes = _cache.Begun.Count;

        var result = await ImportAsync(new ImportOptions { DryRun = true, Pins = null });

        Assert.Equal((3, 1, 1, b.FileSize), (result.Tally.Paths, result.Tally.Present, result.Tally.Wanted, result.Tally.WantedBytes));
        Assert.Equal(pushes, _cache.Begun.Count);
        Assert.Equal("bad", Assert.Single(result.Refused).Path[^3..]);
        Assert.Contains("1 to be transferred", result.ToText(), StringComparison.Ordinal);
        Assert.Contains("\"wanted\":1", result.ToJson(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pins_are_made_when_their_closures_are_there_and_one_that_is_elsewhere_is_moved_only_if_that_is_wanted()
    {
        var app = _source.Add("app");
        var next = _source.Add("next");
        _source.Put("pins/app", app.StorePath.ToString());
        _source.Put("pins/bad", "nonsense");

        var first = await ImportAsync(new ImportOptions { Pins = null });
        _source.Put("pins/app", next.StorePath.ToString() + "\n");
        var kept = await ImportAsync(new ImportOptions { Pins = null });
        var stays = _cache.Pins["app"].Path;
        var moved = await ImportAsync(new ImportOptions { Pins = null, MovePins = true });
        var present = await ImportAsync(new ImportOptions { Pins = [_cache.Pins["app"].Name] });

        Assert.Equal(["failed", "set"], first.Pins.Select(pin => pin.Outcome).Order());
        Assert.Equal(ExitCodes.Failed, first.ExitCode);
        Assert.Equal("kept", kept.Pins.Single(pin => pin.Name == "app").Outcome);
        Assert.Equal(app.StorePath, stays);
        Assert.Equal("moved", moved.Pins.Single(pin => pin.Name == "app").Outcome);
        Assert.Equal(next.StorePath, _cache.Pins["app"].Path);
        Assert.Equal("present", Assert.Single(present.Pins).Outcome);
        Assert.Equal(ExitCodes.Ok, present.ExitCode);
    }
}
