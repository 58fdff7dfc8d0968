using System.Net;
using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.Runtime.SharedInterfaces;
using Amazon.S3;
using Amazon.SecurityToken;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Temporary keys from another party: a role's, a container's, an instance's. A failure to get them is reported as such, since the bucket
/// has refused nothing.
/// </summary>
internal sealed class S3Credentials(AWSCredentials source) : AWSCredentials
{
    /// <summary>The keys that were given, else what the SDK's chain finds.</summary>
    /// <exception cref="ObjectStoreException">There are none.</exception>
    public static AWSCredentials Find(S3Options options, AmazonS3Config config)
    {
        if (options.AccessKey is { } access)
        {
            var secret = options.SecretKey ?? throw new ArgumentException("an access key needs its secret key", nameof(options));
            return options.SessionToken is { } token ? new SessionAWSCredentials(access, secret, token)
                : new BasicAWSCredentials(access, secret);
        }

        try
        {
            var found = DefaultAWSCredentialsIdentityResolver.GetCredentials(config);
            return new S3Credentials(found is AssumeRoleWithWebIdentityCredentials role ? new ServiceAccountRole(role) : found);
        }
        catch (AmazonClientException e)
        {
            throw new ObjectStoreException(
                $"no keys for S3: give an access key and a secret key, or run where the AWS SDK finds credentials " +
                    $"({e.Message.ReplaceLineEndings(" ").Trim()})", isTransient: false, e);
        }
    }

    /// <summary>A key for one purpose; null where none was given.</summary>
    public static AWSCredentials? Of(string? access, string? secret) => access is null ? null
        : new BasicAWSCredentials(access, secret ?? throw new ArgumentException("an access key needs its secret key", nameof(secret)));

    public override DateTime? Expiration => source.Expiration;

    public override ImmutableCredentials GetCredentials()
    {
        try
        {
            return source.GetCredentials();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Failed(e);
        }
    }

    public override async Task<ImmutableCredentials> GetCredentialsAsync()
    {
        try
        {
            return await source.GetCredentialsAsync();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Failed(e);
        }
    }

    private static ObjectStoreException Failed(Exception e)
    {
        var answer = e as AmazonServiceException ?? e.InnerException as AmazonServiceException;
        var isRefused = answer is { StatusCode: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError };
        // The SDK's own exceptions lie below an answer.
        var cause = answer is { StatusCode: not 0 } ? answer : e.GetBaseException();
        return new ObjectStoreException($"no keys for S3: {e.Message.Trim()}{(cause == e ? "" : $" ({cause.Message.Trim()})")}",
            !isRefused, e);
    }

    /// <summary>The SDK's class looks up the token service's client by name, which a native program does not have.</summary>
    private sealed class ServiceAccountRole(AssumeRoleWithWebIdentityCredentials found)
        : AssumeRoleWithWebIdentityCredentials(found.WebIdentityTokenFile, found.RoleArn, found.RoleSessionName)
    {
        // The service asks for no credential but the token.
        protected override ICoreAmazonSTS CreateClient() =>
            new AmazonSecurityTokenServiceClient(new AnonymousAWSCredentials(), FallbackRegionFactory.GetRegionEndpoint()
                ?? RegionEndpoint.USEast1);
    }
}
