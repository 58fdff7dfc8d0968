using System.Net;

namespace OrleansCache.Cli.Http;

/// <summary>
/// The proxies of <c>http_proxy</c>, <c>https_proxy</c> and <c>all_proxy</c>, with <c>no_proxy</c> as curl and Go read it:
/// the runtime knows neither <c>*</c>, nor a domain without a leading dot, nor a range of addresses.
/// </summary>
internal sealed class Proxies : IWebProxy
{
    public static Proxies OfEnvironment { get; } = new();

    public ICredentials? Credentials
    {
        get => HttpClient.DefaultProxy.Credentials;
        set => throw new NotSupportedException();
    }

    public Uri? GetProxy(Uri destination) => IsBypassed(destination) ? null : HttpClient.DefaultProxy.GetProxy(destination);

    public bool IsBypassed(Uri host) => IsExempt(host, Variable("no_proxy")?.Value) || HttpClient.DefaultProxy.IsBypassed(host);

    /// <summary>The proxy between us and the destination, as a message names it; null when there is none.</summary>
    public static string? Between(Uri destination)
    {
        if (OfEnvironment.GetProxy(destination) is not { } proxy)
            return null;
        var source = Variable($"{destination.Scheme}_proxy")?.Name ?? Variable("all_proxy")?.Name;
        // Without the user and password that the URL may have.
        return $"{proxy.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)}{(source is null ? "" : $" (from {source})")}";
    }

    internal static bool IsExempt(Uri host, string? list)
    {
        foreach (var entry in (list ?? "").Split([',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (entry == "*" || Names(entry, host))
                return true;
        }

        return false;
    }

    private static bool Names(string entry, Uri host)
    {
        var name = host.IdnHost.Trim('[', ']');
        if (IPAddress.TryParse(name, out var address))
            return (IPNetwork.TryParse(entry, out var range) && range.Contains(address))
                || (IPAddress.TryParse(entry.Trim('[', ']'), out var one) && one.Equals(address)) || entry == $"{host.Host}:{host.Port}";
        var (domain, port) = entry.Split(':') is [var before, var after] ? (before, after) : (entry, null);
        domain = domain.TrimStart('*').TrimStart('.');
        return domain.Length > 0 && (port is null || port == $"{host.Port}")
            && (name.Equals(domain, StringComparison.OrdinalIgnoreCase) || name.EndsWith($".{domain}", StringComparison.OrdinalIgnoreCase));
    }

    private static (string Name, string Value)? Variable(string name)
    {
        foreach (var spelling in (string[])[name, name.ToUpperInvariant()])
        {
            if (Environment.GetEnvironmentVariable(spelling) is { Length: > 0 } value)
                return (spelling, value);
        }

        return null;
    }
}
