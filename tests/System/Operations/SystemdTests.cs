using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>
/// The server as a service of systemd: what it tells the manager, the socket that it takes, and the units in the repository.
/// </summary>
public class SystemdTests
{
    private const double MaxExposure = 3;

    [Fact]
    public async Task It_tells_when_it_is_ready_that_it_lives_and_when_it_stops()
    {
        using var folder = new TempFolder();
        using var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        manager.Bind(new UnixDomainSocketEndPoint(folder["notify"]));
        var told = new ConcurrentQueue<string>();
        var listening = ListenAsync(manager, told);
        await using (await RunningServer.StartAsync(new Dictionary<string, string?>
        {
            ["NOTIFY_SOCKET"] = folder["notify"],
            ["WATCHDOG_USEC"] = "300000"
        }))
            await Eventually.BecomesTrueAsync(() => told.Count(t => t == "WATCHDOG=1") >= 3, describe: () => string.Join('\n', told));

        await Eventually.BecomesTrueAsync(() => told.Any(t => t.StartsWith("STOPPING=1\nSTATUS=", StringComparison.Ordinal)),
            describe: () => string.Join('\n', told));
        Assert.StartsWith("READY=1\nSTATUS=Serving http://127.0.0.1:", told.First(), StringComparison.Ordinal);
        // PostgreSQL knows the same variable, and would speak of itself.
        Assert.Single(told, t => t.Contains("READY=1", StringComparison.Ordinal));
        manager.Dispose();
        await listening;
    }

    [ProgramFact("systemd-socket-activate")]
    public async Task It_takes_the_socket_that_systemd_listens_on_and_the_first_connection_with_it()
    {
        using var folder = new TempFolder();
        var port = FreePort.Next();
        await using var server = ProcessRunner.Start(
            "systemd-socket-activate", ["-l", $"127.0.0.1:{port}", RunningServer.Program, "--data", folder["data"], "--listen",
                "127.0.0.1:0"], RunningServer.CleanEnvironment(), folder: "/", signalAtExit: "TERM");
        await Eventually.BecomesTrueAsync(() => server.Errors.Contains("Listening on", StringComparison.Ordinal), describe: () =>
            server.Errors);
        using var client = new HttpClient();

        // Nothing runs yet: the connection is what starts it, and it waits.
        using var answer = await client.GetAsync(new Uri($"http://127.0.0.1:{port}/livez"));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await server.WaitForLineAsync(l => l == $"ready at http://127.0.0.1:{port}");
        server.Terminate();
        Assert.Equal(0, await server.WaitAsync());
        await RunningServer.PostgresHasEndedAsync(folder["data"]);
    }

    [Fact]
    public async Task Two_sockets_are_refused_in_one_sentence()
    {
        using var folder = new TempFolder();
        var run = await ProcessRunner.RunAsync(
            "/bin/sh", ["-c", "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" --data \"$1\"", RunningServer.Program, folder["data"]],
            RunningServer.CleanEnvironment());

        Assert.Equal((2, "orleans-cache-server: systemd passed on 2 sockets: one ListenStream= is wanted.\n"), (run.ExitCode, run.Errors));
    }

    [ProgramTheory("systemd-analyze")]
    [InlineData("orleans-cache-server.service")]
    [InlineData("orleans-cache-queue.service")]
    public async Task The_units_are_hardened(string unit)
    {
        var path = Path.Combine(Repository.Root, "packaging", "systemd", unit);

        var judged = await ProcessRunner.RunAsync("systemd-analyze",
            ["security", "--offline=true", $"--threshold={(int)(MaxExposure * 10)}", "--no-pager", path]);

        Assert.True(judged.ExitCode == 0, judged.Output + judged.Errors);
        var exposure = judged.Output.Split(unit + ": ")[^1].Split(' ')[0];
        Assert.True(double.Parse(exposure, CultureInfo.InvariantCulture) < MaxExposure, judged.Output);
    }

    [ProgramTheory("systemd-analyze")]
    [InlineData("orleans-cache-server.service")]
    [InlineData("orleans-cache-queue.service")]
    public async Task The_units_have_no_setting_that_systemd_does_not_know(string unit)
    {
        using var folder = new TempFolder();
        var text = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "packaging", "systemd", unit));
        var program = Assert.Single(text.Split('\n'), l => l.StartsWith("ExecStart=", StringComparison.Ordinal))["ExecStart=".Length..];
        // It looks for the program, which is not installed here.
        await File.WriteAllTextAsync(folder[unit], text.Replace(program, "/bin/true", StringComparison.Ordinal));
        foreach (var beside in Directory.EnumerateFiles(Path.Combine(Repository.Root, "packaging", "systemd"), "*.socket"))
            File.Copy(beside, folder[Path.GetFileName(beside)]);

        var verified = await ProcessRunner.RunAsync("systemd-analyze", ["verify", "--man=no", folder[unit]]);

        Assert.DoesNotContain(unit, verified.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("orleans-cache-server.service")]
    public async Task The_units_are_started_again_until_what_they_need_is_back(string unit)
    {
        var lines = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "packaging", "systemd", unit));
        var (unitSection, service) = (lines.TakeWhile(l => l != "[Service]").ToArray(), lines.SkipWhile(l => l != "[Service]").ToArray());

        // In [Service] systemd would not know it; the default gives up after five starts in ten seconds.
        Assert.Contains("StartLimitIntervalSec=0", unitSection);
        Assert.Contains("Restart=always", service);
        var delay = Assert.Single(service, l => l.StartsWith("RestartSec=", StringComparison.Ordinal))["RestartSec=".Length..];
        Assert.InRange(int.Parse(delay, CultureInfo.InvariantCulture), 2, 30);
    }

    [RootFact]
    public async Task The_private_PostgreSQL_works_without_capabilities_new_privileges_and_group_access()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["state"]);
        (await ProcessRunner.RunAsync("chmod", ["755", folder.Path])).OrThrow();
        (await ProcessRunner.RunAsync("chown", ["65534:65534", folder["state"]])).OrThrow();
        await using var server = ProcessRunner.Start(
            "setpriv",
            [
                "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--regid=65534", "--clear-groups",
                "/bin/sh", "-c", "umask 077; cd /; exec \"$0\" --data \"$1\" --listen 127.0.0.1:0", RunningServer.Program,
                folder["state/data"],
            ],
            RunningServer.CleanEnvironment(), folder: "/", signalAtExit: "TERM");

        await server.WaitForLineAsync(l => l.StartsWith("ready at ", StringComparison.Ordinal));

        server.Terminate();
        Assert.Equal(0, await server.WaitAsync());
        await RunningServer.PostgresHasEndedAsync(folder["state/data"]);
    }

    private static async Task ListenAsync(Socket manager, ConcurrentQueue<string> told)
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
                told.Enqueue(Encoding.UTF8.GetString(buffer, 0, await manager.ReceiveAsync(buffer)));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
