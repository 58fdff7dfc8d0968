using System.Net;
using System.Net.Sockets;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

public class SiloSettingsTests
{
    [Theory]
    [InlineData("--silo-port many", "--silo-port is 'many'")]
    [InlineData("--silo-port 65536", "--silo-port is '65536'")]
    [InlineData("--silo-address here", "--silo-address is 'here'")]
    [InlineData("--silo-address 0.0.0.0", "--silo-address is '0.0.0.0'")]
    [InlineData("--silo-address 192.0.2.1 --silo-port 0", "192.0.2.1 is not an address of this machine")]
    [InlineData("--silo-port 0 --cluster-id a/b", "--cluster-id is 'a/b'")]
    [InlineData("--silo-port 0 --silo-tls-cert /etc/hostname", "--silo-tls-key is missing")]
    [InlineData("--silo-port 0 --silo-tls-cert /etc/hostname --silo-tls-key /etc/hostname --silo-tls-ca /etc/hostname", "no certificate and its key in PEM form")]
    [InlineData("--silo-port 0 --silo-tls-cert /nonexistent --silo-tls-key /nonexistent --silo-tls-ca /nonexistent", "/nonexistent of --silo-tls-cert")]
    public void A_bad_flag_is_told_in_a_sentence_that_names_it(string arguments, string hint)
    {
        var e = Assert.Throws<StartupException>(() => Settings(arguments.Split(' ')));

        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_port_that_is_taken_is_told()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        var e = Assert.Throws<StartupException>(() => Settings("--silo-port", $"{((IPEndPoint)taken.LocalEndpoint).Port}"));

        Assert.Contains("is taken by another program", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_authority_without_a_certificate_is_told()
    {
        using var certificates = new Certificates();
        string[] options = certificates.Options("one");
        options[5] = "/etc/hostname";

        var e = Assert.Throws<StartupException>(() => Settings([.. options, "--silo-port", "0"]));

        Assert.Contains("/etc/hostname of --silo-tls-ca holds no certificate", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_a_server_listens_says_where_its_silo_does()
    {
        var loopback = Settings("--silo-port", "0");
        var elsewhere = Settings("--silo-port", "0", "--listen", "0.0.0.0:0", "--public-url", "http://cache");
        var chosen = Settings("--silo-port", "0", "--listen", "0.0.0.0:0", "--public-url", "http://cache", "--silo-address", "127.0.0.1");

        Assert.Equal((IPAddress.Loopback, "orleans-cache", true, null), (loopback.Endpoint.Address, loopback.ClusterId, loopback.HasDashboard, loopback.Tls));
        Assert.False(IPAddress.IsLoopback(elsewhere.Endpoint.Address));
        Assert.Equal(IPAddress.Loopback, chosen.Endpoint.Address);
        Assert.InRange(loopback.Endpoint.Port, 1, 65535);
    }

    [Fact]
    public void The_environment_counts_as_for_every_option()
    {
        var environment = new Dictionary<string, string> { ["ORLEANS_CACHE_SILO_PORT"] = "0", ["ORLEANS_CACHE_CLUSTER_ID"] = "night", ["ORLEANS_CACHE_NO_DASHBOARD"] = "true" };
        var line = new SiloCommandLine();
        var given = line.Values(line.Root.Parse([]), environment.GetValueOrDefault);

        var settings = SiloSettings.From(given, ServerSettings.From(given));

        Assert.Equal(("night", false), (settings.ClusterId, settings.HasDashboard));
    }

    [Theory]
    [InlineData("--nonsense", "'orleans-cache-silo --help' lists the options")]
    [InlineData("--silo-port x", "--silo-port is 'x'")]
    [InlineData("--postgres Host=127.0.0.1;Port=1;Username=x --data DATA --listen 127.0.0.1:0 --silo-port 0", "PostgreSQL cannot be used")]
    public async Task A_silo_that_cannot_start_says_so_in_one_line_and_exits_2(string arguments, string hint)
    {
        using var folder = new TempFolder();

        var (exit, output, errors) = await SiloProcess.RunAsync([.. arguments.Split(' ').Select(a => a.Replace("DATA", folder["data"], StringComparison.Ordinal))]);

        Assert.Equal((2, ""), (exit, output));
        var line = Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("orleans-cache-silo: ", line, StringComparison.Ordinal);
        Assert.Contains(hint, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_works_beside_a_silo_on_the_same_port()
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        var (exit, output, errors) = await SiloProcess.RunAsync("--migrate", "--postgres", database, "--silo-port", $"{((IPEndPoint)taken.LocalEndpoint).Port}");

        Assert.Equal((0, ""), (exit, errors));
        Assert.Contains("-orleans\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_lists_every_option()
    {
        var (exit, output, _) = await SiloProcess.RunAsync("--help");

        Assert.Equal(0, exit);
        Assert.All(new SiloCommandLine().Root.Options, option => Assert.Contains(option.Name, output, StringComparison.Ordinal));
    }

    private static SiloSettings Settings(params string[] arguments)
    {
        var line = new SiloCommandLine();
        var given = line.Values(line.Root.Parse(arguments), _ => null);
        return SiloSettings.From(given, ServerSettings.From(given));
    }
}
