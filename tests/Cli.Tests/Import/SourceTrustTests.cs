using OrleansCache.Cli.Import;
using OrleansCache.Nix;
using Xunit;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>Keys of a source beside those of the cache.</summary>
public sealed class SourceTrustTests
{
    [Fact]
    public void A_name_that_two_keys_have_is_told_and_one_key_under_its_own_name_is_not()
    {
        var (one, other) = (SecretKey.Generate("cache-1").PublicKey, SecretKey.Generate("cache-1").PublicKey);
        var trust = new SourceTrust([one, SecretKey.Generate("old-1").PublicKey]);

        Assert.Equal(["cache-1"], trust.NamesTakenBy([other.ToString()]));
        Assert.Empty(trust.NamesTakenBy([one.ToString()]));
        Assert.Empty(new SourceTrust(null).NamesTakenBy([other.ToString()]));
    }
}
