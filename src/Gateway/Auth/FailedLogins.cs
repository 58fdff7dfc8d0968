using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Threading.RateLimiting;
using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// How many unknown tokens an address may try: each costs a read of the database. Beyond that its tokens are not looked up, but for those that were good before:
/// behind a proxy all have one address, and who tries tokens there keeps nobody out who is at work.
/// </summary>
internal sealed class FailedLogins : IDisposable
{
    private const int MostGood = 20_000;
    private const int Ipv6Network = 8;

    private readonly PartitionedRateLimiter<string>? _failures;
    private readonly HashSet<string> _good = new(StringComparer.Ordinal);

    public FailedLogins(RequestLimits limits)
    {
        if (limits.FailedLogins == 0)
            return;
        _failures = PartitionedRateLimiter.Create<string, string>(address => RateLimitPartition.GetTokenBucketLimiter(address, _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = limits.FailedLogins,
            TokensPerPeriod = limits.FailedLogins,
            ReplenishmentPeriod = Refill,
            QueueLimit = 0,
        }));
    }

    /// <summary>How long an address waits that has tried too many.</summary>
    public static TimeSpan Refill { get; } = TimeSpan.FromSeconds(10);

    /// <summary>False when this secret is not to be looked up now.</summary>
    public bool MayAsk(IPAddress? from, string secret)
    {
        if (_failures is null)
            return true;
        using var lease = _failures.AttemptAcquire(Network(from), 0);
        if (lease.IsAcquired)
            return true;
        lock (_good)
            return _good.Contains(Digest(secret));
    }

    /// <summary>What came of looking it up.</summary>
    public void Note(IPAddress? from, string secret, bool isGood)
    {
        if (_failures is null)
            return;
        if (!isGood)
        {
            _failures.AttemptAcquire(Network(from)).Dispose();
            return;
        }

        lock (_good)
        {
            if (_good.Count == MostGood)
                _good.Clear();
            _good.Add(Digest(secret));
        }
    }

    public void Dispose() => _failures?.Dispose();

    // Who has one address of IPv6 has all of its network.
    private static string Network(IPAddress? address)
    {
        if (address is null)
            return "";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        var bytes = address.GetAddressBytes();
        return Convert.ToHexString(bytes.AsSpan(0, Math.Min(bytes.Length, Ipv6Network)));
    }

    private static string Digest(string secret) => Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
