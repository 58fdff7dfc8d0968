using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using OrleansCache.Gateway.Http;

namespace OrleansCache.Gateway.Auth;

/// <summary>
/// How many unknown tokens an address may try: each costs a read of the database. Beyond that its tokens are not looked up, but for those
/// that were good when they were last looked up:
/// behind a proxy all have one address, and who tries tokens there keeps nobody out who is at work.
/// </summary>
internal sealed class FailedLogins(RequestLimits limits, TimeProvider time)
{
    private const int MaxGood = 20_000;
    private const int Ipv6Network = 8;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _good = new(StringComparer.Ordinal);

    // Of the last ten seconds at most, then of nobody: so it needs no more memory than that many requests fill.
    private readonly Dictionary<string, int> _failures = new(StringComparer.Ordinal);
    private long _since = time.GetTimestamp();

    /// <summary>How long an address waits at most that has tried too many.</summary>
    public static TimeSpan Refill { get; } = TimeSpan.FromSeconds(10);

    /// <summary>False when this secret is not to be looked up now.</summary>
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

    /// <summary>What came of looking it up.</summary>
    public void Note(IPAddress? from, string secret, bool isGood)
    {
        if (limits.FailedLogins == 0)
            return;
        var digest = Digest(secret);
        lock (_lock)
        {
            if (!isGood)
            {
                // One that was revoked is as unknown as any other.
                _good.Remove(digest);
                CollectionsMarshal.GetValueRefOrAddDefault(_failures, Network(from), out _)++;
                return;
            }

            if (_good.Count == MaxGood && !_good.Contains(digest))
                _good.Clear();
            _good.Add(digest);
        }
    }

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
