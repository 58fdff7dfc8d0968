using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using OrleansCache.Core.Common;
using OrleansCache.Silo;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The settings of the server's silo.</summary>
internal static class SiloSettings
{
    private static readonly string[] OfMembers = ["silo-address", "silo-port", "silo-tls-cert", "silo-tls-key", "silo-tls-ca"];

    /// <returns>Null: the server has no silo.</returns>
    /// <exception cref="StartupException">One of them is wrong; the message says which and how.</exception>
    public static CacheSiloOptions? From(Func<string, string?> one, IPAddress listen)
    {
        var isPlain = ServerSettings.Flag("silo-plain", one);
        var dashboard = one("dashboard") is null ? (bool?)null : ServerSettings.Flag("dashboard", one);
        if (ServerSettings.Flag("no-silo", one))
        {
            return one("cluster-id") is null && dashboard != true
                ? null
                : throw new StartupException(
                    $"--no-silo and --{(dashboard == true ? "dashboard" : "cluster-id")} exclude each other: a server without a silo is " +
                    "no member of a cluster.");
        }

        if (one("cluster-id") is not { } id)
        {
            return isPlain || Array.Find(OfMembers, name => one(name) is not null) is not null
                ? throw new StartupException(
                    $"--{(isPlain ? "silo-plain" : Array.Find(OfMembers, name => one(name) is not null))} is given without --cluster-id: " +
                    "name the cluster whose member this server is, or leave it out, as a server alone opens no port for silos.")
                : new CacheSiloOptions { HasDashboard = dashboard ?? false };
        }

        if (one("postgres") is null)
            throw new StartupException(
                "--cluster-id is given without --postgres: the members of a cluster meet in one PostgreSQL, and no other member can " +
                    "reach this server's private one.");
        var tls = TlsFrom(one);
        if (tls is null && !isPlain)
            throw new StartupException(
                "--cluster-id is given without --silo-tls-cert, --silo-tls-key and --silo-tls-ca: a call between silos carries no " +
                "credential, so silos show each other certificates. Say --silo-plain where nobody else reaches their ports.");
        if (tls is not null && isPlain)
            throw new StartupException("--silo-plain and --silo-tls-cert exclude each other: silos talk TLS or in the clear.");
        var address = one("silo-address") is { } text ? ParseAddress(text) : DefaultAddress(listen);
        return new CacheSiloOptions
        {
            ClusterId = ParseId(id),
            Endpoint = Find(address, one("silo-port") is { } port ? ParsePort(port) : 11111),
            Tls = tls,
            HasDashboard = dashboard ?? true,
        };
    }

    /// <summary>Null when none of the three files is given.</summary>
    /// <exception cref="StartupException">One is missing or cannot be used.</exception>
    private static SiloTls? TlsFrom(Func<string, string?> one)
    {
        string[] names = ["silo-tls-cert", "silo-tls-key", "silo-tls-ca"];
        var files = names.Select(one).ToList();
        if (files.TrueForAll(f => f is null))
            return null;
        if (files.IndexOf(null) is >= 0 and var missing)
            throw new StartupException(
                $"--silo-tls-cert, --silo-tls-key and --silo-tls-ca belong together, and --{names[missing]} is missing: silos show each " +
                "other certificates.");
        var tls = new SiloTls { CertificateFile = files[0]!, KeyFile = files[1]!, AuthorityFile = files[2]! };
        try
        {
            tls.OwnCertificate().Dispose();
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StartupException(
                $"{tls.CertificateFile} of --silo-tls-cert and {tls.KeyFile} of --silo-tls-key are no certificate and its key in PEM " +
                $"form: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        try
        {
            if (tls.Authorities().Count == 0)
                throw new StartupException($"{tls.AuthorityFile} of --silo-tls-ca holds no certificate in PEM form.");
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"{tls.AuthorityFile} of --silo-tls-ca cannot be used: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        return tls;
    }

    private static IPAddress ParseAddress(string text) =>
        IPAddress.TryParse(text, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
            ? address
            : throw new StartupException(
                $"--silo-address is '{text}': an IP address of this host is wanted, one that the other silos can reach.");

    private static int ParsePort(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
        && port <= 65535
        ? port
        : throw new StartupException($"--silo-port is '{text}': a number from 1 to 65535 is wanted, or 0 for any free port.");

    private static string ParseId(string text) => text.Length <= 150
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
        ? text
        : throw new StartupException($"--cluster-id is '{text}': at most 150 letters, digits, '-', '_' and '.' are wanted.");

    private static IPAddress DefaultAddress(IPAddress listen)
    {
        if (IPAddress.IsLoopback(listen))
            return listen;
        var addresses = NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.OperationalStatus == OperationalStatus.Up && i.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address).Where(a => !a.IsIPv6LinkLocal).ToList();
        return addresses.Find(a => a.AddressFamily == AddressFamily.InterNetwork) ?? addresses.FirstOrDefault()
            ?? throw new StartupException("This host has no address that other silos could reach: name one with --silo-address.");
    }

    // Orleans binds the port itself, late, and with a stack trace when it cannot, so we try it here.
    private static IPEndPoint Find(IPAddress address, int port)
    {
        // Below the range that the kernel gives to outgoing connections, so that none of those takes the port before Orleans does.
        for (var attempt = 0; port == 0; attempt++)
        {
            try
            {
                return Find(address, Random.Shared.Next(12_000, 32_000));
            }
            catch (StartupException e) when (attempt < 100
                && e.InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                // Taken: try the next port.
            }
        }

        var endpoint = new IPEndPoint(address, port);
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(endpoint);
            socket.Listen();
            return endpoint;
        }
        catch (SocketException e)
        {
            throw new StartupException(
                e.SocketErrorCode switch
                {
                    SocketError.AddressAlreadyInUse =>
                        $"The port {port} on {address} is taken by another program: stop that one, or choose another with --silo-port.",
                    SocketError.AccessDenied =>
                        $"Listening on port {port} is not allowed to this user: choose one above 1023 with --silo-port.",
                    SocketError.AddressNotAvailable => $"{address} is not an address of this machine: choose another with --silo-address.",
                    _ => $"Listening for other silos on {address} port {port} failed: {e.Message}",
                },
                e);
        }
    }
}
