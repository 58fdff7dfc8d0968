using System.Net;

namespace OrleansCache.Silo;

/// <summary>What silo a server is.</summary>
public sealed record CacheSiloOptions
{
    /// <summary>The cluster whose member it is; null: a cluster of one, which opens no port.</summary>
    public string? ClusterId { get; init; }

    /// <summary>Where the other silos reach this one. The port is a real one.</summary>
    public IPEndPoint Endpoint { get; init; } = new(IPAddress.Loopback, 11111);

    /// <summary>Null: silos talk in the clear.</summary>
    public SiloTls? Tls { get; init; }

    public bool HasDashboard { get; init; }
}
