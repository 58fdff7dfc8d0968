using System.Globalization;
using System.Threading.RateLimiting;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Limits;

/// <summary>
/// How many requests a credential may send, and how many uploads run at once. Who sends more is told to come back later (429), except a
/// Nix,
/// which would come back with an empty body or after a minute: it waits for its turn. Who sent no credential is not counted: what is open
/// to all is cheap, and behind a proxy all look alike.
/// </summary>
internal static class RequestRates
{
    // A push's grants have their first 16 characters in common.
    private const int PushPrefix = 16;
    private const int WaitingPerUpload = 4;

    public static void AddTo(IServiceCollection services, RequestLimits limits) => services.AddRateLimiter(options =>
    {
        // In this order: who waits for the whole server's turn holds its own already, so that one client's queue takes no turn of another.
        options.GlobalLimiter = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<HttpContext, Client>(http => Rate(http, limits)),
            PartitionedRateLimiter.Create<HttpContext, Client>(http => OwnUploads(http, limits)),
            PartitionedRateLimiter.Create<HttpContext, Client>(http => AllUploads(http, limits)));
        options.OnRejected = async (rejected, _) =>
        {
            var seconds = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var after)
                ? Math.Max(1, Math.Ceiling(after.TotalSeconds)) : 1;
            rejected.HttpContext.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
            await Problems.WriteAsync(rejected.HttpContext, HttpProblem.TooManyRequests,
                "This token, or push, has asked for more at once than this server allows. Wait for Retry-After, and send the same request again.");
        };
    });

    /// <summary>The route takes a body of any size, so only so many of its requests run at once.</summary>
    public static T IsUpload<T>(this T route) where T : IEndpointConventionBuilder
    {
        route.Add(static endpoint => endpoint.Metadata.Add(new UploadMetadata()));
        return route;
    }

    private static RateLimitPartition<Client> Rate(HttpContext http, RequestLimits limits)
    {
        if (limits.RequestRate == 0 || http.Features.Get<Credential>() is not { } credential || credential.Id == Credential.AnonymousId)
            return RateLimitPartition.GetNoLimiter(default(Client));
        var isPatient = NixUserAgent.SentByAny(http.Request);
        // Ten times a second, or once where that would be less than one request.
        var (tokens, period) = limits.RequestRate >= 10 ? (limits.RequestRate / 10, TimeSpan.FromSeconds(0.1))
            : (limits.RequestRate, TimeSpan.FromSeconds(1));
        return RateLimitPartition.GetTokenBucketLimiter(new Client(credential.Id, isPatient), _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = limits.RequestBurst,
            TokensPerPeriod = tokens,
            ReplenishmentPeriod = period,
            QueueLimit = isPatient ? int.MaxValue : 0,
        });
    }

    private static RateLimitPartition<Client> OwnUploads(HttpContext http, RequestLimits limits)
    {
        if (!IsUpload(http))
            return RateLimitPartition.GetNoLimiter(default(Client));
        var isPatient = NixUserAgent.SentByAny(http.Request);
        return RateLimitPartition.GetConcurrencyLimiter(new Client(Uploader(http), isPatient), _ => new ConcurrencyLimiterOptions
        {
            PermitLimit = limits.UploadsPerClient,
            QueueLimit = isPatient ? int.MaxValue : limits.UploadsPerClient * WaitingPerUpload,
        });
    }

    // Its queue is as long as there are connections.
    private static RateLimitPartition<Client> AllUploads(HttpContext http, RequestLimits limits) => IsUpload(http)
        ? RateLimitPartition.GetConcurrencyLimiter(new Client("all", false), _ =>
            new ConcurrencyLimiterOptions { PermitLimit = limits.Uploads, QueueLimit = int.MaxValue })
        : RateLimitPartition.GetNoLimiter(default(Client));

    private static bool IsUpload(HttpContext http) => http.GetEndpoint()?.Metadata.GetMetadata<UploadMetadata>() is not null;

    private static string Uploader(HttpContext http)
    {
        var credential = http.Features.Get<Credential>();
        if (credential is not null && credential.Id != Credential.AnonymousId)
            return credential.Id;
        var name = Path.GetFileName((string?)http.GetRouteValue("key")) ?? "";
        return $"push:{(name.Length > PushPrefix ? name[..PushPrefix] : name)}";
    }

    /// <param name="Name">A credential's id, or what stands for one.</param>
    /// <param name="IsPatient">It waits, however long.</param>
    private readonly record struct Client(string? Name, bool IsPatient);

    private sealed record UploadMetadata;
}
