using OrleansCache.Contracts;
using OrleansCache.Core.Caches;
using OrleansCache.Core.Upstreams;
using Xunit;

namespace OrleansCache.Core.Tests.Upstreams;

/// <summary>How upstreams are written, and who may have them.</summary>
public sealed class UpstreamSettingsTests
{
    private const string Key = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=";

    [Fact]
    public void A_url_and_its_keys_are_read_and_written_alike()
    {
        Assert.True(Upstream.TryParse($"  https://cache.nixos.org/  {Key} {Key}", out var upstream, out _));

        Assert.Equal(("https://cache.nixos.org/", 2), (upstream.Url.AbsoluteUri, upstream.Keys.Count));
        Assert.Equal($"https://cache.nixos.org {Key} {Key}", upstream.ToString());
    }

    [Theory]
    [InlineData("https://cache.nixos.org", "the keys that sign its paths")]
    [InlineData("", "the keys that sign its paths")]
    [InlineData($"cache.nixos.org {Key}", "an http or https URL")]
    [InlineData($"file:///cache {Key}", "an http or https URL")]
    [InlineData($"https://me:secret@cache.nixos.org {Key}", "without query and password")]
    [InlineData($"https://cache.nixos.org?x=1 {Key}", "without query and password")]
    [InlineData("https://cache.nixos.org cache.nixos.org-1:AAAA", "is no public key")]
    public void What_is_wrong_is_said(string text, string why)
    {
        Assert.False(Upstream.TryParse(text, out _, out var error));
        Assert.Contains(why, error, StringComparison.Ordinal);

        var problem = Assert.Throws<CacheProblemException>(() => CacheSettingsCheck.Check(new CacheSettings { Upstreams = [text] }, false));
        Assert.StartsWith("upstreams ", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stage_has_none_and_only_operators_set_them()
    {
        var problem = Assert.Throws<CacheProblemException>(() => CacheSettingsCheck.Check(
            new CacheSettings { StageOf = "a", Upstreams = [$"https://cache.nixos.org {Key}"] }, false));

        Assert.Contains("is no setting of a stage", problem.Message, StringComparison.Ordinal);
        Assert.Contains("upstreams", CacheSettings.OperatorMembers);
    }
}
