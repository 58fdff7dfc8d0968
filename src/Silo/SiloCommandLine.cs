using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Silo;

/// <summary>The flags of <c>orleans-cache-silo</c>: the server's, and those of the cluster.</summary>
internal sealed class SiloCommandLine : CommandLine
{
    public SiloCommandLine() : base(SiloSettings.Program, "Serves a Nix binary cache and its write path, as one silo of a cluster.")
    {
        Value("cluster-id", "NAME", "The cluster that this silo joins: those of one name on one PostgreSQL (default: orleans-cache)");
        Value("silo-address", "IP", "Where the other silos reach this one (default: loopback when --listen is, else this host's first address)");
        Value("silo-port", "N", "The port for the other silos; 0 takes a free one (default: 11111)");
        Value("silo-tls-cert", "FILE", "Certificate of this silo, PEM: silos talk TLS and show each other certificates");
        Value("silo-tls-key", "FILE", "Its key, PEM");
        Value("silo-tls-ca", "FILE", "Certificates of whoever signs the silos' certificates, PEM");
        Flag("no-dashboard", "No Orleans Dashboard at /dashboard");
    }
}
