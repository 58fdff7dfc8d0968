using System.Net;
using System.Net.Sockets;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Testing;

namespace OrleansCache.Silo.Tests;

public class SiloSettingsTests
{
    private const string Member = "--postgres Host=/nowhere;Username=x --cluster-id home --silo-plain --silo-port 0";

    [Theory]
    [InlineData("--silo-plain --silo-port many", "--silo-port is 'many'")]
    [InlineData("--silo-plain --silo-port 65536", "--silo-port is '65536'")]
    [InlineData("--silo-plain --silo-address here", "--silo-address is 'here'")]
    [InlineData("--silo-plain --silo-address 0.0.0.0", "--silo-address is '0.0.0.0'")]
    [InlineData("--silo-plain --silo-address 192.0.2.1 --silo-port 0", "192.0.2.1 is not an address of this machine")]
    [InlineData("--silo-plain --silo-port 0 --cluster-id a/b", "--cluster-id is 'a/b'")]
    [InlineData("--silo-port 0 --silo-tls-cert /etc/hostname", "--silo-tls-key is missing")]
    [InlineData("--silo-port 0 --silo-tls-cert /etc/hostname --silo-tls-key /etc/hostname --silo-tls-ca /etc/hostname",
        "no certificate and its key in PEM form")]
    [InlineData("--silo-port 0 --silo-tls-cert /nonexistent --silo-tls-key /nonexistent --silo-tls-ca /nonexistent",
        "/nonexistent of --silo-tls-cert")]
    [InlineData("--silo-port 0", "--silo-plain where nobody else reaches their ports")]
    [InlineData("--silo-plain --no-silo", "--no-silo and --cluster-id exclude each other")]
    public void A_bad_flag_of_a_member_is_told_in_a_sentence_that_names_it(string arguments, string hint) =>
        Refuses(["--postgres", "Host=/nowhere;Username=x", .. arguments.Contains("--cluster-id", StringComparison.Ordinal)
            ? Array.Empty<string>() : ["--cluster-id", "home"], .. arguments.Split(' ')], hint);

    [Theory]
    [InlineData("--silo-port 1", "--silo-port is given without --cluster-id")]
    [InlineData("--silo-plain", "--silo-plain is given without --cluster-id")]
    [InlineData("--silo-tls-ca /x", "--silo-tls-ca is given without --cluster-id")]
    [InlineData("--cluster-id home --silo-plain", "--cluster-id is given without --postgres")]
    [InlineData("--no-silo --dashboard", "--no-silo and --dashboard exclude each other")]
    public void What_makes_a_member_is_given_whole_or_not_at_all(string arguments, string hint) => Refuses(arguments.Split(' '), hint);

    private static void Refuses(string[] arguments, string hint)
    {
        var e = Assert.Throws<StartupException>(() => Settings(arguments));

        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_port_that_is_taken_is_told()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        var e = Assert.Throws<StartupException>(() =>
            Settings([.. Member.Split(' ')[..^2], "--silo-port", $"{((IPEndPoint)taken.LocalEndpoint).Port}"]));

        Assert.Contains("is taken by another program", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_authority_without_a_certificate_is_told()
    {
        using var certificates = new Certificates();
        string[] options = certificates.Options("one");
        options[5] = "/etc/hostname";

        var e = Assert.Throws<StartupException>(() =>
            Settings(["--postgres", "Host=/nowhere;Username=x", "--cluster-id", "home", "--silo-port", "0", .. options]));

        Assert.Contains("/etc/hostname of --silo-tls-ca holds no certificate", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_a_server_listens_says_where_its_silo_does()
    {
        string[] member = Member.Split(' ');
        var loopback = Settings(member)!;
        var elsewhere = Settings([.. member, "--listen", "0.0.0.0:0", "--public-url", "http://cache"])!;
        var chosen = Settings([.. member, "--listen", "0.0.0.0:0", "--public-url", "http://cache", "--silo-address", "127.0.0.1"])!;

        Assert.Equal((IPAddress.Loopback, "home", true, null), (loopback.Endpoint.Address, loopback.ClusterId, loopback.HasDashboard,
            loopback.Tls));
        Assert.False(IPAddress.IsLoopback(elsewhere.Endpoint.Address));
        Assert.Equal(IPAddress.Loopback, chosen.Endpoint.Address);
        Assert.InRange(loopback.Endpoint.Port, 1, 65535);
    }

    [Fact]
    public void A_server_is_a_cluster_of_one_unless_it_is_told_otherwise()
    {
        Assert.Equal((null, false), (Settings()!.ClusterId, Settings()!.HasDashboard));
        Assert.True(Settings("--dashboard")!.HasDashboard);
        Assert.Null(Settings("--no-silo"));
    }

    [Fact]
    public void The_environment_counts_as_for_every_option()
    {
        var environment = new Dictionary<string, string>
        {
            ["ORLEANS_CACHE_POSTGRES"] = "Host=/nowhere;Username=x",
            ["ORLEANS_CACHE_SILO_PORT"] = "0",
            ["ORLEANS_CACHE_CLUSTER_ID"] = "night",
            ["ORLEANS_CACHE_SILO_PLAIN"] = "true",
            ["ORLEANS_CACHE_DASHBOARD"] = "false",
        };
        var line = new CommandLine();

        var settings = line.Settings(line.Root.Parse([]), environment.GetValueOrDefault).Silo!;

        Assert.Equal(("night", false), (settings.ClusterId, settings.HasDashboard));
    }

    [Theory]
    [InlineData("--nonsense", "'orleans-cache-server --help' lists the options")]
    [InlineData("--postgres Host=/nowhere;Username=x --cluster-id home --silo-plain --silo-port x", "--silo-port is 'x'")]
    [InlineData("--postgres Host=127.0.0.1;Port=1;Username=x --data DATA --listen 127.0.0.1:0 --cluster-id home --silo-plain --silo-port 0",
        "PostgreSQL cannot be used")]
    public async Task A_silo_that_cannot_start_says_so_in_one_line_and_exits_2(string arguments, string hint)
    {
        using var folder = new TempFolder();

        var (exit, output, errors) =
            await SiloProcess.RunAsync([.. arguments.Split(' ').Select(a => a.Replace("DATA", folder["data"], StringComparison.Ordinal))]);

        Assert.Equal((2, ""), (exit, output));
        var line = Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("orleans-cache-server: ", line, StringComparison.Ordinal);
        Assert.Contains(hint, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migrate_works_beside_a_silo_on_the_same_port()
    {
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        var (exit, output, errors) = await SiloProcess.RunAsync("--migrate", "--postgres", database, "--cluster-id", "home", "--silo-plain",
            "--silo-port", $"{((IPEndPoint)taken.LocalEndpoint).Port}");

        Assert.Equal((0, ""), (exit, errors));
        Assert.Contains("-orleans\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_lists_every_option()
    {
        var (exit, output, _) = await SiloProcess.RunAsync("--help");

        Assert.Equal(0, exit);
        Assert.All(new CommandLine().Root.Options, option => Assert.Contains(option.Name, output, StringComparison.Ordinal));
    }

    private static CacheSiloOptions? Settings(params string[] arguments)
    {
        var line = new CommandLine();
        return line.Settings(line.Root.Parse(arguments), _ => null).Silo;
    }
}
