using OrleansCache.Cli.Common;
using OrleansCache.Cli.Import;
using Xunit;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>What SOURCE may be.</summary>
public sealed class SourceAddressTests
{
    [Fact]
    public void A_bucket_has_a_prefix_and_what_Nix_says_of_it()
    {
        var bucket = Assert.IsType<SourceAddress.OfBucket>(
            SourceAddress.Parse("s3://cache/some/place?endpoint=s3.example.org:9000&scheme=http&region=eu-1&profile=old"));

        Assert.Equal(("cache", "some/place/", "http://s3.example.org:9000/", "eu-1", "old", false), (bucket.Bucket, bucket.Prefix,
            bucket.Endpoint!.AbsoluteUri, bucket.Region, bucket.Profile, bucket.IsAnonymous));
    }

    [Fact]
    public void An_endpoint_may_be_a_URL_and_a_bucket_anybodys()
    {
        var bucket = Assert.IsType<SourceAddress.OfBucket>(SourceAddress.Parse("s3://cache/?endpoint=http://127.0.0.1:7480&anonymous=true"));

        Assert.Equal(("", "http://127.0.0.1:7480/", true), (bucket.Prefix, bucket.Endpoint!.AbsoluteUri, bucket.IsAnonymous));
        Assert.Null(Assert.IsType<SourceAddress.OfBucket>(SourceAddress.Parse("s3://cache")).Endpoint);
    }

    [Fact]
    public void A_URL_gets_a_slash_and_a_folder_is_what_has_no_scheme()
    {
        Assert.Equal("https://cache.example.org/c/team/", Assert.IsType<SourceAddress.OfUrl>(
            SourceAddress.Parse("https://cache.example.org/c/team")).Url.AbsoluteUri);
        Assert.Equal("/srv/cache", Assert.IsType<SourceAddress.OfFolder>(SourceAddress.Parse("file:///srv/cache?compression=xz")).Folder);
        Assert.Equal(Path.GetFullPath("cache"), Assert.IsType<SourceAddress.OfFolder>(SourceAddress.Parse("cache")).Folder);
    }

    [Theory]
    [InlineData("s3://")]
    [InlineData("s3://cache?endpoint=user:word@host")]
    [InlineData("s3://cache?multipart-upload=true")]
    [InlineData("s3://cache?anonymous=yes")]
    [InlineData("https://user:secret@cache.example.org")]
    [InlineData("https://cache.example.org?x=y")]
    [InlineData("ssh://host")]
    [InlineData("file://host/cache")]
    public void All_else_is_refused_and_no_password_is_repeated(string text)
    {
        var error = Assert.Throws<CliException>(() => SourceAddress.Parse(text));

        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }
}
