using System.Globalization;
using System.Threading.RateLimiting;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Limits;

/// <summary>
/// Bounds the requests of a credential and the uploads at one time. A client beyond its bound gets a 429, except a Nix, which would repeat
/// the request without its body or stand still for a minute: a Nix waits. Requests without a credential are not counted: what is open to
/// all is cheap, and behind a proxy all of them look alike.
/// </summary>
internal static class RequestRates
{
    // The grants of a push share their first 16 characters.
    private const int PushPrefix = 16;
    private const int WaitingPerUpload = 4;

    public static void AddTo(IServiceCollection services, RequestLimits limits) => services.AddRateLimiter(options =>
    {
        // In this order: a request that waits for the whole server already holds its client's own permit, so one client's queue delays no
        // other.
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

    /// <summary>Marks a route with bodies of any size, so that only a bounded number of its requests runs at once.</summary>
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
        // Replenished ten times a second, or once when a tenth would be less than one request.
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

    // The number of connections bounds its queue.
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

    /// <param name="Name">A credential's id, or a push's in its place.</param>
    /// <param name="IsPatient">It waits for any length of time.</param>
    private readonly record struct Client(string? Name, bool IsPatient);

    private sealed record UploadMetadata;
}
