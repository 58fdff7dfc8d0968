using Amazon.Runtime;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using Xunit;

namespace OrleansCache.Core.Tests.Store.S3;

/// <summary>Keys that somebody gives for a while. That real ones work is for RoleTests to show.</summary>
public sealed class S3CredentialsTests
{
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(40);

    [Fact]
    public async Task An_upload_url_works_no_longer_than_they_do_but_beyond_the_moment_when_the_next_are_asked_for()
    {
        var ends = DateTime.UtcNow + Life;
        using var source = new Source(() => ends);
        var keys = new S3Credentials(source);

        await keys.GetCredentialsAsync();

        var presigner = new S3Presigner(new Uri("https://b.example.org/"), "", "us-east-1", keys);
        var (_, expires) = presigner.ForLife("PUT", ObjectKey.Parse("a"), [], new Dictionary<string, string>(), DateTimeOffset.UtcNow,
            TimeSpan.FromDays(1));
        // The SDK takes a minute off.
        Assert.InRange(expires.UtcDateTime, ends - TimeSpan.FromMinutes(2), ends);
    }

    [Theory]
    [InlineData(400, false)]
    [InlineData(403, false)]
    [InlineData(500, true)]
    [InlineData(503, true)]
    public async Task What_the_token_service_answers_tells_whether_another_attempt_may_help(int status, bool isTransient)
    {
        var answer = new AmazonServiceException("as it says", new IOException("of the SDK"), ErrorType.Unknown, "Code", "1",
            (System.Net.HttpStatusCode)status);
        using var plain = new Source(() => throw answer);
        using var wrapped = new Source(() => throw new AmazonClientException("Error calling AssumeRole", answer));

        var failed = await Assert.ThrowsAsync<ObjectStoreException>(() => new S3Credentials(plain).GetCredentialsAsync());
        var alsoFailed = await Assert.ThrowsAsync<ObjectStoreException>(() => new S3Credentials(wrapped).GetCredentialsAsync());

        Assert.Equal((isTransient, "no keys for S3: as it says"), (failed.IsTransient, failed.Message));
        Assert.Equal((isTransient, "no keys for S3: Error calling AssumeRole (as it says)"), (alsoFailed.IsTransient, alsoFailed.Message));
    }

    [Fact]
    public void What_went_wrong_is_named_down_to_its_cause()
    {
        using var source = new Source(() => throw new InvalidOperationException("A token could not be loaded.",
            new FileNotFoundException("no file '/token'")));

        var failed = Assert.Throws<ObjectStoreException>(() => new S3Credentials(source).GetCredentials());

        Assert.Equal((true, "no keys for S3: A token could not be loaded. (no file '/token')"), (failed.IsTransient, failed.Message));
    }

    /// <summary>Asks for others a quarter of an hour before they end, as the SDK does for a role.</summary>
    private sealed class Source : RefreshingAWSCredentials
    {
        private readonly Func<DateTime> _ends;

        public Source(Func<DateTime> ends) => (_ends, PreemptExpiryTime) = (ends, TimeSpan.FromMinutes(15));

        protected override CredentialsRefreshState GenerateNewCredentials() =>
            new(new ImmutableCredentials("access", "secret", "token"), _ends());
    }
}
