using System.Text.Json;
using System.Text.RegularExpressions;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Pins from the command line, on a server as it is shipped.</summary>
public sealed class PinTests(PinTests.EmptyServer fixture) : IClassFixture<PinTests.EmptyServer>
{
    private ServerProcess Server => fixture.Server;

    [NixFact]
    public async Task A_push_with_a_pin_is_found_under_its_name_by_curl()
    {
        await using var closure = await GeneratedClosure.MakeAsync(4);
        var name = NewName();

        var pushed = (await CacheCli.PushAsync(Server, "--pin", name, "--keep-revisions", "3", "--expires", "30d", closure.Root)).OrThrow();

        Assert.Contains($"pinned as {name}", pushed.Output, StringComparison.Ordinal);
        Assert.Equal(closure.Root, await CurlAsync(name));
        var pin = JsonDocument.Parse((await PinsAsync("show", name, "--json")).OrThrow().Output).RootElement;
        Assert.Equal((1, 3), (pin.GetProperty("revision").GetInt32(), pin.GetProperty("keepRevisions").GetInt32()));
        Assert.InRange(pin.GetProperty("expires").GetDateTimeOffset() - pin.GetProperty("updated").GetDateTimeOffset(),
            TimeSpan.FromDays(29.99), TimeSpan.FromDays(30.01));
    }

    [NixFact]
    public async Task A_pin_is_made_moved_listed_rolled_back_and_deleted()
    {
        await using var closure = await GeneratedClosure.MakeAsync(4);
        (await CacheCli.PushAsync(Server, closure.Root)).OrThrow();
        var name = NewName();

        (await PinsAsync("create", name, closure.Half, "--if-revision", "0", "--keep-revisions", "2")).OrThrow();
        Assert.Contains("(revision 2)", (await PinsAsync("create", name, closure.Root)).OrThrow().Output, StringComparison.Ordinal);
        var list = (await PinsAsync("list")).OrThrow();
        Assert.Matches(@"^NAME +STORE PATH +UPDATED AT$", list.Lines[0]);
        Assert.Contains(list.Lines, line =>
            Regex.IsMatch(line, $@"^{Regex.Escape(name)} +{Regex.Escape(closure.Root)} +\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"));
        Assert.Contains(name, (await PinsAsync("list", "--names-only")).OrThrow().Lines);

        (await PinsAsync("rollback", name)).OrThrow();
        Assert.Equal(closure.Half, await CurlAsync(name));
        (await PinsAsync("rollback", name, "2")).OrThrow();
        Assert.Equal(closure.Root, await CurlAsync(name));
        var shown = (await PinsAsync("show", name)).OrThrow();
        Assert.Equal(["4", "3", "2", "1"], shown.Lines.SkipWhile(line => !line.StartsWith("REVISION", StringComparison.Ordinal)).Skip(1)
            .Select(line => line.Split(' ')[0]));

        (await PinsAsync("delete", name)).OrThrow();
        Assert.Null(await CurlAsync(name));
        Assert.DoesNotContain(name, (await PinsAsync("list", "--names-only")).OrThrow().Lines);
    }

    [NixFact]
    public async Task What_cannot_be_done_is_said_and_changes_nothing()
    {
        await using var closure = await GeneratedClosure.MakeAsync(4);
        await using var elsewhere = await GeneratedClosure.MakeAsync(2);
        var name = NewName();
        (await CacheCli.PushAsync(Server, "--pin", name, closure.Root)).OrThrow();

        await FailsAsync(1, "is at revision 1", PinsAsync("create", name, closure.Half, "--if-revision", "9"));
        await FailsAsync(1, "push it first", PinsAsync("create", name, elsewhere.Root));
        await FailsAsync(1, "no earlier revision", PinsAsync("rollback", name));
        await FailsAsync(1, "There is no pin", PinsAsync("delete", name + "x"));
        await FailsAsync(2, "not the name of a pin", PinsAsync("create", "..", closure.Root));
        await FailsAsync(2, "lacks its unit", PinsAsync("create", name, closure.Root, "--expires", "30"));
        await FailsAsync(2, "1 to 100", PinsAsync("create", name, closure.Root, "--keep-revisions", "0"));
        await FailsAsync(2, "is for one path", CacheCli.PushAsync(Server, "--pin", name, closure.Half, closure.Root));
        await FailsAsync(2, "--pin", CacheCli.PushAsync(Server, "--expires", "3d", closure.Root));

        Assert.Equal(closure.Root, await CurlAsync(name));
    }

    [NixFact]
    public async Task Help_shows_how_a_command_is_used()
    {
        Assert.Contains("orleans-cache pins rollback app 7", (await CacheCli.RunAsync("pins", "rollback", "--help")).OrThrow().Output,
            StringComparison.Ordinal);
        Assert.Contains("pins/app", (await CacheCli.RunAsync("pins", "--help")).OrThrow().Output, StringComparison.Ordinal);
        Assert.Contains("rollback", (await CacheCli.RunAsync("[suggest:19]", "orleans-cache pins r")).OrThrow().Output,
            StringComparison.Ordinal);
    }

    private static string NewName() => $"test-{Guid.NewGuid():n}";

    private static async Task FailsAsync(int code, string message, Task<ProcessResult> run)
    {
        var result = await run;
        Assert.Equal(code, result.ExitCode);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    private Task<ProcessResult> PinsAsync(params string[] arguments) =>
        CacheCli.RunAsync(["pins", .. arguments, "--url", Server.Url.ToString(), "--token-file", Server.TokenFile]);

    /// <summary>What anybody reads, without a token; null when there is nothing.</summary>
    private async Task<string?> CurlAsync(string name)
    {
        var curl = await ProcessRunner.RunAsync("curl", ["-fsS", $"{Server.Url}pins/{name}"]);
        return curl.ExitCode == 0 ? curl.Output.TrimEnd('\n') : null;
    }

    public sealed class EmptyServer : IAsyncLifetime
    {
        public ServerProcess Server { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            if (Programs.Missing("nix-store", "nix") is null)
                Server = await ServerProcess.StartAsync();
        }

        public async Task DisposeAsync()
        {
            if (Server is not null)
                await Server.DisposeAsync();
        }
    }
}
