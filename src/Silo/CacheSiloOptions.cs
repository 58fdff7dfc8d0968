using System.Net;

namespace OrleansCache.Silo;

/// <summary>The options of a server's silo.</summary>
public sealed record CacheSiloOptions
{
    /// <summary>The cluster that it joins; null: a cluster of one, which opens no port.</summary>
    public string? ClusterId { get; init; }

    /// <summary>The address at which other silos reach this one. The port is never 0.</summary>
    public IPEndPoint Endpoint { get; init; } = new(IPAddress.Loopback, 11111);

    /// <summary>Null: silos talk in plain text.</summary>
    public SiloTls? Tls { get; init; }

    public bool HasDashboard { get; init; }
}
