using System.Web;
using Amazon.Runtime;
using OrleansCache.Contracts;
using OrleansCache.Core.Store.S3;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

public sealed class S3PresignerTests
{
    private static readonly Dictionary<string, string> NoHeaders = [];
    private static readonly DateTimeOffset Day = new(2013, 5, 24, 0, 0, 0, TimeSpan.Zero);

    private readonly S3Presigner _presigner = new(
        new Uri("https://examplebucket.s3.amazonaws.com/"), "", "us-east-1",
        new BasicAWSCredentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));

    [Fact]
    public void The_example_of_the_S3_reference_has_its_signature()
    {
        var (url, expires) = _presigner.ForLife("GET", ObjectKey.Parse("test.txt"), [], NoHeaders, Day, TimeSpan.FromDays(1));

        Assert.Contains("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", url.Query,
            StringComparison.Ordinal);
        Assert.Equal(Day.AddDays(1), expires);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3600)]
    [InlineData(15)]
    [InlineData(3600)]
    public void A_fence_is_the_same_absolute_time_whatever_our_clock_says(int skewSeconds)
    {
        var fence = Day.AddSeconds(20.9);

        var url = _presigner.UntilFence("PUT", ObjectKey.Parse("a"), [], NoHeaders, fence, Day.AddSeconds(skewSeconds));

        var query = HttpUtility.ParseQueryString(url.Query);
        var signed = DateTimeOffset.ParseExact(query["X-Amz-Date"]!, "yyyyMMdd'T'HHmmss'Z'", null,
            System.Globalization.DateTimeStyles.AssumeUniversal);
        Assert.Equal(Day.AddSeconds(20),
            signed.AddSeconds(int.Parse(query["X-Amz-Expires"]!, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.True(signed < Day, "a signing time in the store's future would be refused");
    }

    [Theory]
    [InlineData(null, "https://s3.example.org/public/closures/nar/x?")]
    [InlineData(false, "https://closures.s3.example.org/public/nar/x?")]
    public void Clients_are_sent_to_the_endpoint_that_they_reach(bool? pathStyle, string expected)
    {
        using var store = new S3ObjectStore(new S3Options
        {
            Bucket = "closures",
            Endpoint = new Uri("http://store.internal:7480"),
            UploadEndpoint = new Uri("https://s3.example.org/public"),
            PathStyle = pathStyle,
            AccessKey = "key",
            SecretKey = "secret",
        });
        var key = ObjectKey.Parse("nar/x");

        var put = store.SignPut(key, null, TimeSpan.FromHours(1)).Url.OriginalString;
        var part = store.SignParts(key, "upload", 5 << 20, 1, 1, TimeSpan.FromHours(1))[0].OriginalString;

        Assert.StartsWith(expected, put, StringComparison.Ordinal);
        Assert.StartsWith(expected, part, StringComparison.Ordinal);
    }

    [Fact]
    public void A_life_is_cut_to_what_S3_allows()
    {
        var (_, expires) = _presigner.ForLife("PUT", ObjectKey.Parse("a"), [], NoHeaders, Day, TimeSpan.FromDays(30));

        Assert.Equal(Day.AddDays(7), expires);
    }
}
