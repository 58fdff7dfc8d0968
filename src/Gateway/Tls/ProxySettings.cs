using System.Net;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Tls;

/// <summary>The proxies before the server that are believed.</summary>
/// <param name="Addresses">Where they connect from.</param>
/// <param name="CertificateHeader">In which they pass on a client's certificate; null: they do not.</param>
public sealed record ProxySettings(IReadOnlyList<IPNetwork> Addresses, string? CertificateHeader)
{
    /// <returns>Null: no proxy is believed.</returns>
    /// <exception cref="StartupException">One of the options is wrong or missing; the message says which.</exception>
    public static ProxySettings? From(Func<string, string?> one)
    {
        var (header, addresses, authority) = (one("proxy-cert-header"), one("proxy-address"), one("tls-client-ca"));
        if (authority is not null && header is null && one("tls-cert") is null)
            throw new StartupException(
                "--tls-client-ca is given without --tls-cert and without --proxy-cert-header, so no certificate could arrive: serve TLS, or " +
                "name the header in which a proxy passes certificates on.");
        if (header is not null && (addresses is null || authority is null))
            throw new StartupException(
                $"--proxy-cert-header is given without --{(addresses is null ? "proxy-address" : "tls-client-ca")}: only certificates of " +
                "that authority count, and only from proxies at those addresses.");
        if (header is not null && (header.Length > 100 || !header.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')))
            throw new StartupException($"--proxy-cert-header is '{header}': the name of a header is wanted, such as X-Client-Cert.");
        return addresses is null ? null
            : new ProxySettings([.. addresses.Split(',', StringSplitOptions.TrimEntries).Select(Parse)], header);
    }

    public bool Includes(IPAddress? address) => address is not null
        && (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address) is var plain && Addresses.Any(network => network.Contains(plain));

    private static IPNetwork Parse(string text) => IPNetwork.TryParse(text, out var network) ? network
        : IPAddress.TryParse(text, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : throw new StartupException(
            $"--proxy-address has '{text}': addresses or networks are wanted, with commas between, such as 10.1.2.3,10.2.0.0/16.");
}
