using Amazon.S3;
using OrleansCache.Cli.Http;
using OrleansCache.Testing;

namespace OrleansCache.Storm;

/// <summary>What all caches of a storm have in common.</summary>
/// <param name="Http">To the gateways, by the balancer.</param>
/// <param name="Store">To the bucket.</param>
/// <param name="NextRandom">A generator for one more actor.</param>
internal sealed record StormWorld(StormOptions Options, StormReport Tally, Fleet Fleet, HttpMessageInvoker Http, HttpClient Store,
    ObjectBucket Bucket, AmazonS3Client S3, RetryPolicy Retry, NixHolds Holds, Universe Universe, Func<Random> NextRandom)
{
    public static readonly Uri Balancer = new("http://balancer.invalid");

    /// <summary>Who may do everything, in one cache.</summary>
    public Api AdminOf(string cache) => new(Http, Balancer, cache, File.ReadAllText(Fleet.TokenFile).Trim(), Retry);
}
