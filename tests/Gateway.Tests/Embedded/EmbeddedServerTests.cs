using System.Net;
using System.Text;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Embedded;

public class EmbeddedServerTests
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    [Fact]
    public async Task An_empty_directory_becomes_a_server_that_reads_and_writes()
    {
        using var folder = new TempFolder();
        // As people make them: closed to everybody else, PostgreSQL's user too.
        var data = Directory.CreateDirectory(folder["closed/to/others"],
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        await using var server = await ServerProcess.StartAsync(data);

        using var ready = await server.Client.GetAsync(new Uri("/readyz", UriKind.Relative));
        using var refused = await PostMissingAsync(server, "wrong");
        using var answered = await PostMissingAsync(server, (await File.ReadAllTextAsync(Path.Combine(data, "token"))).Trim());

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized, HttpStatusCode.OK),
            (ready.StatusCode, refused.StatusCode, answered.StatusCode));
        Assert.Equal($$"""{"missing":["{{Hash}}"]}""", await answered.Content.ReadAsStringAsync());
        var key = PublicKey.Parse(await File.ReadAllTextAsync(Path.Combine(data, "key.pub")));
        Assert.Contains($"extra-trusted-public-keys = {key}\n", server.Output, StringComparison.Ordinal);
        Assert.Contains($"extra-substituters = {server.Client.BaseAddress!.AbsoluteUri.TrimEnd('/')}\n", server.Output,
            StringComparison.Ordinal);
        Assert.Equal("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n",
            await File.ReadAllTextAsync(Path.Combine(data, "store/nix-cache-info")));
        foreach (var secret in new[] { "key", "token", "url-secret" })
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(data, secret)));
        foreach (var secret in new[] { "key", "token", "url-secret" })
            Assert.DoesNotContain((await File.ReadAllTextAsync(Path.Combine(data, secret))).Trim(), server.Output + server.Errors,
                StringComparison.Ordinal);
    }

    [Fact]
    public async Task PostgreSQL_listens_on_a_socket_that_only_its_user_reaches()
    {
        using var folder = new TempFolder();
        await using var server = await ServerProcess.StartAsync(folder["data"]);

        var sockets = await File.ReadAllLinesAsync($"/proc/{server.Postgres}/net/tcp");
        var inodes = Directory.GetFiles($"/proc/{server.Postgres}/fd").Select(f => new FileInfo(f).LinkTarget ?? "")
            .Where(t => t.StartsWith("socket:[", StringComparison.Ordinal)).Select(t => t[8..^1]).ToHashSet();
        var status = await File.ReadAllLinesAsync($"/proc/{server.Postgres}/status");

        Assert.DoesNotContain(sockets.Skip(1), line => inodes.Contains(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[9]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(folder["data/postgres"]));
        Assert.DoesNotContain(status, line => line.StartsWith("Uid:\t0\t", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_path_longer_than_a_socket_may_have_is_no_hindrance()
    {
        using var folder = new TempFolder();
        await using var server = await ServerProcess.StartAsync(folder[new string('d', 120)]);

        using var ready = await server.Client.GetAsync(new Uri("/readyz", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stopped_server_leaves_nothing_running_and_keeps_its_keys(bool withCtrlC)
    {
        using var folder = new TempFolder();
        string token, key;
        await using (var server = await ServerProcess.StartAsync(folder["data"]))
        {
            var postgres = server.Postgres;
            (token, key) = (await File.ReadAllTextAsync(folder["data/token"]), await File.ReadAllTextAsync(folder["data/key"]));

            Assert.Equal(0, withCtrlC ? await server.InterruptAsync() : await server.TerminateAsync());

            Assert.False(Directory.Exists($"/proc/{postgres}/cwd"));
            Assert.False(File.Exists(folder["data/postgres/data/postmaster.pid"]));
            Assert.Equal("", server.Errors);
        }

        await using var again = await ServerProcess.StartAsync(folder["data"]);

        Assert.Equal((token, key), (await File.ReadAllTextAsync(folder["data/token"]), await File.ReadAllTextAsync(folder["data/key"])));
    }

    [Fact]
    public async Task A_killed_server_takes_its_PostgreSQL_along_and_starts_again()
    {
        using var folder = new TempFolder();
        int postgres;
        await using (var server = await ServerProcess.StartAsync(folder["data"]))
        {
            postgres = server.Postgres;
            await server.KillAsync();
        }

        await Eventually.BecomesTrueAsync(() => !Directory.Exists($"/proc/{postgres}/cwd"), describe: () => "the end of PostgreSQL");
        await using var again = await ServerProcess.StartAsync(folder["data"]);

        using var ready = await again.Client.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
    }

    [Fact]
    public async Task A_server_starts_at_once_where_another_was_killed_whose_PostgreSQL_still_runs()
    {
        using var folder = new TempFolder();
        await using var first = await ServerProcess.StartAsync(folder["data"]);
        var postgres = first.Postgres;
        // Stopped, it cannot follow its server; the next server has to end it.
        await SignalAsync(postgres, "STOP");
        await first.KillAsync();
        var starting = ServerProcess.StartAsync(folder["data"]);
        await SignalAsync(postgres, "CONT");

        await using var second = await starting;

        Assert.NotEqual(postgres, second.Postgres);
    }

    [Fact]
    public async Task A_PostgreSQL_that_dies_is_started_again()
    {
        using var folder = new TempFolder();
        await using var server = await ServerProcess.StartAsync(folder["data"]);
        var first = server.Postgres;

        await SignalAsync(first, "KILL");

        await Eventually.BecomesTrueAsync(
            async () => server.Postgres != first
                && (await server.Client.GetAsync(new Uri("/readyz", UriKind.Relative))).IsSuccessStatusCode, describe: () => server.Errors);
        using var answered = await PostMissingAsync(server, (await File.ReadAllTextAsync(folder["data/token"])).Trim());
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
    }

    [Fact]
    public async Task A_creation_that_was_interrupted_begins_anew()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["data/postgres/data.new/base"]);
        await File.WriteAllTextAsync(folder["data/postgres/data.new/PG_VERSION"], "15\n");

        await using var server = await ServerProcess.StartAsync(folder["data"]);

        Assert.False(Directory.Exists(folder["data/postgres/data.new"]));
    }

    [Fact]
    public async Task A_second_server_on_the_directory_is_refused_and_the_first_goes_on()
    {
        using var folder = new TempFolder();
        await using var first = await ServerProcess.StartAsync(folder["data"]);

        var (exit, output, errors) = await ServerProcess.RunAsync(null, "--data", folder["data"], "--listen", "127.0.0.1:0");

        Assert.Equal((2, ""), (exit, output));
        Assert.Contains("in use by another server", Sentence(errors), StringComparison.Ordinal);
        using var ready = await first.Client.GetAsync(new Uri("/readyz", UriKind.Relative));
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_refused_and_nothing_is_made()
    {
        using var folder = new TempFolder();
        await using var first = await ServerProcess.StartAsync(folder["data"]);

        var (exit, _, errors) = await ServerProcess.RunAsync(null, "--data", folder["other"], "--listen",
            first.Client.BaseAddress!.Authority);

        Assert.Equal(2, exit);
        Assert.Contains("is taken", Sentence(errors), StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["other/postgres"]));
    }

    [Theory]
    [InlineData("14")]
    [InlineData("99")]
    [InlineData("nonsense")]
    public async Task Data_of_another_PostgreSQL_is_met_with_a_sentence_and_left_alone(string version)
    {
        using var folder = new TempFolder();
        await using (var server = await ServerProcess.StartAsync(folder["data"]))
            await server.TerminateAsync();
        var versionFile = folder["data/postgres/data/PG_VERSION"];
        var right = await File.ReadAllTextAsync(versionFile);
        await File.WriteAllTextAsync(versionFile, version + "\n");
        var before = Fingerprint(folder["data/postgres"]);

        var (exit, _, errors) = await ServerProcess.RunAsync(null, "--data", folder["data"], "--listen", "127.0.0.1:0");

        Assert.Equal(2, exit);
        Assert.Contains(version == "nonsense" ? "PG_VERSION" : $"PostgreSQL {version}", Sentence(errors), StringComparison.Ordinal);
        Assert.Equal(before, Fingerprint(folder["data/postgres"]));
        await File.WriteAllTextAsync(versionFile, right);
        await using var again = await ServerProcess.StartAsync(folder["data"]);
    }

    [Fact]
    public async Task Without_PostgreSQL_on_the_machine_it_says_what_to_install()
    {
        using var folder = new TempFolder();

        var (exit, _, errors) = await ServerProcess.RunAsync(
            new Dictionary<string, string?> { ["ORLEANS_CACHE_POSTGRES_BIN"] = folder.Path }, "--data", folder["data"], "--listen",
            "127.0.0.1:0");

        Assert.Equal(2, exit);
        Assert.Contains("apt-get install postgresql", Sentence(errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_PostgreSQL_of_one_s_own_no_private_one_is_made()
    {
        using var folder = new TempFolder();
        var postgres = await PostgresServer.Shared;
        await using var server = await ServerProcess.StartAsync(folder["data"], "--postgres", await postgres.CreateDatabaseAsync());

        using var ready = await server.Client.GetAsync(new Uri("/readyz", UriKind.Relative));

        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        Assert.False(Directory.Exists(folder["data/postgres"]));
    }

    /// <summary>The one line that a refused start prints.</summary>
    internal static string Sentence(string errors)
    {
        var line = Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("orleans-cache-server: ", line, StringComparison.Ordinal);
        return line;
    }

    private static async Task<HttpResponseMessage> PostMissingAsync(ServerProcess server, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/caches/default/missing")
        {
            Content = new StringContent($$"""{"paths":["{{Hash}}"]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", token);
        return await server.Client.SendAsync(request);
    }

    private static async Task SignalAsync(int pid, string signal) =>
        (await ProcessRunner.RunAsync("kill", [$"-{signal}", $"{pid}"])).OrThrow();

    private static string Fingerprint(string folder) =>
        string.Join('\n', Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order()
            .Select(f => $"{f} {new FileInfo(f).Length} {File.GetLastWriteTimeUtc(f):O}"));
}
