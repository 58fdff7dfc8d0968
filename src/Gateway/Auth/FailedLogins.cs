using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// Bounds the unknown tokens that an address may try, as each costs a read of the database. Beyond the bound only tokens that were good at
/// their last lookup are looked up again: behind a proxy all clients share one address, and whoever tries tokens there must not lock out
/// the others.
/// </summary>
internal sealed class FailedLogins(RequestLimits limits, TimeProvider time)
{
    private const int MaxGood = 20_000;
    private const int Ipv6Network = 8;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _good = new(StringComparer.Ordinal);

    // Counts of the last ten seconds at most, then cleared: they take no more memory than that many requests fill.
    private readonly Dictionary<string, int> _failures = new(StringComparer.Ordinal);
    private long _since = time.GetTimestamp();

    /// <summary>The longest wait of an address that has tried too many tokens.</summary>
    public static TimeSpan Refill { get; } = TimeSpan.FromSeconds(10);

    /// <summary>False: this secret must not be looked up now.</summary>
    public bool MayAsk(IPAddress? from, string secret)
    {
        if (limits.FailedLogins == 0)
            return true;
        lock (_lock)
        {
            if (time.GetElapsedTime(_since) >= Refill)
            {
                _failures.Clear();
                _since = time.GetTimestamp();
            }

            return _failures.GetValueOrDefault(Network(from)) < limits.FailedLogins || _good.Contains(Digest(secret));
        }
    }

    /// <summary>Records the result of a lookup.</summary>
    public void Note(IPAddress? from, string secret, bool isGood)
    {
        if (limits.FailedLogins == 0)
            return;
        var digest = Digest(secret);
        lock (_lock)
        {
            if (!isGood)
            {
                // A revoked token counts as unknown.
                _good.Remove(digest);
                CollectionsMarshal.GetValueRefOrAddDefault(_failures, Network(from), out _)++;
                return;
            }

            if (_good.Count == MaxGood && !_good.Contains(digest))
                _good.Clear();
            _good.Add(digest);
        }
    }

    // Whoever has one address of IPv6 has its whole network.
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
