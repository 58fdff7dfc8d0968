using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using OrleansCache.Gateway.Hosting;

namespace OrleansCache.Silo;

/// <summary>What makes a server a silo. <c>docs/server.md</c> explains each.</summary>
internal sealed record SiloSettings
{
    public const string Program = "orleans-cache-silo";

    public required string ClusterId { get; init; }

    /// <summary>Where the other silos reach this one. The port is a real one: what was given as 0 has been chosen.</summary>
    public required IPEndPoint Endpoint { get; init; }

    /// <summary>Null: silos talk in the clear.</summary>
    public SiloTls? Tls { get; init; }

    public bool HasDashboard { get; init; } = true;

    /// <exception cref="StartupException">One of them is wrong; the message says which and how.</exception>
    public static SiloSettings From(GivenOptions given, ServerSettings server)
    {
        var address = given.One("silo-address") is { } text ? ParseAddress(text) : DefaultAddress(server.Listen.Address);
        return new SiloSettings
        {
            ClusterId = given.One("cluster-id") is { } id ? ParseId(id) : "orleans-cache",
            Endpoint = Find(address, given.One("silo-port") is { } port ? ParsePort(port) : 11111),
            Tls = SiloTls.From(given.One),
            HasDashboard = !ServerSettings.Flag("no-dashboard", given.One),
        };
    }

    private static IPAddress ParseAddress(string text) =>
        IPAddress.TryParse(text, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
            ? address
            : throw new StartupException($"--silo-address is '{text}': an IP address of this host is wanted, one that the other silos can reach.");

    private static int ParsePort(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535
        ? port
        : throw new StartupException($"--silo-port is '{text}': a number from 1 to 65535 is wanted, or 0 for any free port.");

    private static string ParseId(string text) => text.Length <= 150 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
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

    // Orleans binds the port itself, late and with a stack trace when it cannot: so it is tried here.
    private static IPEndPoint Find(IPAddress address, int port)
    {
        // From below the range that the kernel gives to outgoing connections: none of those takes it before Orleans does.
        for (var attempt = 0; port == 0; attempt++)
        {
            try
            {
                return Find(address, Random.Shared.Next(12_000, 32_000));
            }
            catch (StartupException e) when (attempt < 100 && e.InnerException is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse })
            {
                // The next one.
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
                    SocketError.AddressAlreadyInUse => $"The port {port} on {address} is taken by another program: stop that one, or choose another with --silo-port.",
                    SocketError.AccessDenied => $"Listening on port {port} is not allowed to this user: choose one above 1023 with --silo-port.",
                    SocketError.AddressNotAvailable => $"{address} is not an address of this machine: choose another with --silo-address.",
                    _ => $"Listening for other silos on {address} port {port} failed: {e.Message}",
                },
                e);
        }
    }
}
