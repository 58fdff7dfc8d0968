using System.Net;
using System.Net.Sockets;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>
/// What a new operator gets wrong first: each is answered by one sentence that leads to what is right, and by the exit code for it.
/// </summary>
public sealed class WrongConfigurationTests(WrongConfigurationTests.Setting setting) : IClassFixture<WrongConfigurationTests.Setting>
{
    [Theory]
    [InlineData("--listen 127.0.0.1:TAKEN", "choose another with --listen")]
    [InlineData("--listen 5751", "an address and a port are wanted")]
    [InlineData("--listen 0.0.0.0:0", "--public-url")]
    [InlineData("--data DATA", "in use by another server")]
    [InlineData("--data FOLDER/file", "name another with --data")]
    [InlineData("--data /proc/nowhere", "name another with --data")]
    [InlineData("--postgres Host=127.0.0.1;Port=FREE;Username=cache;Database=cache", "Does it run there, and is --postgres right?")]
    [InlineData("--postgres cache", "'postgres://cache@db/cache'")]
    [InlineData("--gc-schedule daily", "five are wanted")]
    [InlineData("--sign-key FOLDER/file", "'nix key generate-secret'")]
    [InlineData("--sign-key FOLDER/missing", "cannot be read")]
    [InlineData("--token-file FOLDER/missing", "cannot be read")]
    [InlineData("--token-file FOLDER/file", "write a longer one")]
    [InlineData("--s3-bucket b --s3-endpoint http://127.0.0.1:FREE --s3-access-key-file FOLDER/file --s3-secret-key-file FOLDER/file",
        "The object store cannot be used")]
    [InlineData("--s3-endpoint http://127.0.0.1:1", "name the bucket too")]
    [InlineData("--publc-url http://x", "--help' lists the options")]
    [InlineData("--public-url cache.example.org", "such as https://cache.example.org")]
    public async Task A_server_says_in_a_sentence_what_is_wrong_and_what_is_right(string options, string leadsTo)
    {
        using var data = new TempFolder();
        string[] given = [.. options.Split(' ').Select(setting.Fill)];
        string[] defaults = [.. Unless("--data", data["data"]), .. Unless("--listen", "127.0.0.1:0")];

        var run = await ProcessRunner.RunAsync(BuiltProgram.Server, [.. defaults, .. given], folder: "/", timeout: TimeSpan.FromMinutes(2));

        Assert.Equal(2, run.ExitCode);
        AssertSentence(run, leadsTo);

        string[] Unless(string option, string value) => given.Contains(option) ? [] : [option, value];
    }

    [RootFact]
    public async Task A_data_directory_of_another_user_is_told_with_who_should_own_it()
    {
        using var folder = new TempFolder();
        (await ProcessRunner.RunAsync("chmod", ["711", folder.Path])).OrThrow();
        Directory.CreateDirectory(folder["data"]);

        var run = await ProcessRunner.RunAsync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", BuiltProgram.Server,
            "--data", folder["data"], "--listen", "127.0.0.1:0"], folder: "/");

        Assert.Equal(2, run.ExitCode);
        AssertSentence(run, "Let the user 'nobody' own it");
    }

    [Fact]
    public async Task A_key_that_everybody_can_read_is_warned_of()
    {
        using var folder = new TempFolder();
        File.Copy(setting.Server.KeyFile, folder["key"]);
        File.SetUnixFileMode(folder["key"], UnixFileMode.UserRead | UnixFileMode.OtherRead);

        await using var server = await ServerProcess.StartAsync("--sign-key", folder["key"]);

        Assert.Contains($"The file {folder["key"]} of --sign-key can be read by everybody on this machine: chmod 600 it.", server.Log,
            StringComparison.Ordinal);
        Assert.DoesNotContain("can be read by everybody", setting.Server.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("info --url URL/c/default", 1, "give --url the server's own")]
    [InlineData("info --url cache.example.org", 2, "http://host:port or https://host/path is wanted")]
    [InlineData("info --url http://127.0.0.1:FREE", 3, "Does it run there?")]
    [InlineData("info --url URL --cache other", 4, "Cache 'other' is private, or there is none of that name.")]
    [InlineData("pins list --url URL --token-file FOLDER/missing", 2, "cannot be read")]
    [InlineData("pins list --url URL --token-file FOLDER/empty", 2, "is empty")]
    [InlineData("pins create x /nix/store/0c5b8vw40dy178xlpddw65q9gf1h2186-x --url URL --token-file FOLDER/file", 4,
        "is not one that this server accepts")]
    [InlineData("push --url URL --token-file FOLDER/file --levle", 2, "'orleans-cache push --help' lists the options")]
    [InlineData("push --url URL --token-file FOLDER/file", 2, "For example: orleans-cache push ./result")]
    public async Task The_client_says_in_a_sentence_what_is_wrong_and_what_is_right(string arguments, int exitCode, string leadsTo)
    {
        var run = await CacheCli.RunAsync([.. arguments.Split(' ').Select(setting.Fill)]);

        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains(leadsTo, run.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copied_server_reads_its_key_where_it_has_no_home_and_no_library_beside_it()
    {
        using var folder = new TempFolder();
        File.Copy(BuiltProgram.Server, folder["server"]);
        // It reads keys, with libsodium, before it asks for the database, which is not there.
        var run = await ProcessRunner.RunAsync(
            folder["server"],
            [.. "--data FOLDER/data --listen 127.0.0.1:0 --sign-key KEY --postgres Host=127.0.0.1;Port=FREE;Username=cache".Split(' ')
            .Select(o => setting.Fill(o.Replace("FOLDER", folder.Path, StringComparison.Ordinal)
                .Replace("KEY", setting.Server.KeyFile, StringComparison.Ordinal)))],
            new Dictionary<string, string?> { ["HOME"] = "/proc", ["DOTNET_BUNDLE_EXTRACT_BASE_DIR"] = null }, folder: "/");

        Assert.Equal(2, run.ExitCode);
        AssertSentence(run, "Does it run there, and is --postgres right?");
    }

    private static void AssertSentence(ProcessResult run, string leadsTo)
    {
        var line = Assert.Single(run.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("orleans-cache-server: ", line, StringComparison.Ordinal);
        Assert.Contains(leadsTo, line, StringComparison.Ordinal);
        Assert.Equal("", run.Output);
    }

    /// <summary>A server that runs, a port that is taken, and files that hold nothing good.</summary>
    public sealed class Setting : IAsyncLifetime, IDisposable
    {
        private readonly TempFolder _folder = new();
        private readonly TcpListener _taken = new(IPAddress.Loopback, 0);

        public ServerProcess Server { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            _taken.Start();
            await File.WriteAllTextAsync(_folder["file"], "nothing\n");
            await File.WriteAllTextAsync(_folder["empty"], "");
            Server = await ServerProcess.StartAsync();
        }

        public string Fill(string text) => text
            .Replace("TAKEN", $"{((IPEndPoint)_taken.LocalEndpoint).Port}", StringComparison.Ordinal)
                .Replace("FREE", $"{FreePort.Next()}", StringComparison.Ordinal)
            .Replace("FOLDER", _folder.Path, StringComparison.Ordinal).Replace("DATA", Server.Data, StringComparison.Ordinal)
                .Replace("URL", Server.Url.AbsoluteUri.TrimEnd('/'), StringComparison.Ordinal);

        public async Task DisposeAsync()
        {
            await Server.DisposeAsync();
        }

        public void Dispose()
        {
            _taken.Dispose();
            _folder.Dispose();
        }
    }
}
