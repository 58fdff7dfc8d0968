using Microsoft.AspNetCore.HttpOverrides;

namespace OrleansCache.Gateway.Tls;

/// <summary>What connections meet first: TLS, whose certificates count, and which proxies are believed.</summary>
/// <param name="Tls">Null: plain HTTP.</param>
/// <param name="Clients">Null: no certificate of a client counts.</param>
/// <param name="Proxy">Null: no proxy is believed.</param>
internal sealed record Edge(ServerTls? Tls = null, ClientAuthority? Clients = null, ProxySettings? Proxy = null)
{
    /// <summary>Reads what proxies say, before anything else looks at the request.</summary>
    public void Use(IApplicationBuilder app, TimeProvider time)
    {
        if (Proxy is null)
            return;
        // First the certificate, which is believed by the address of the connection itself.
        if (Clients is not null)
            app.UseMiddleware<ProxyHeaders>(Proxy, Clients, time);
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor, ForwardLimit = null };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var network in Proxy.Addresses)
            options.KnownIPNetworks.Add(network);
        app.UseForwardedHeaders(options);
    }
}
