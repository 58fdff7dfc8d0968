using System.Text.Json;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>What a push uploads, and what it leaves out.</summary>
public sealed class PushTests(PushTests.EmptyServer fixture) : IClassFixture<PushTests.EmptyServer>
{
    private ServerProcess Server => fixture.Server;

    [NixFact]
    public async Task A_second_push_uploads_nothing()
    {
        await using var closure = await GeneratedClosure.MakeAsync(10);
        var first = await PushAsync(closure.Root);
        var second = await PushAsync(closure.Root);
        Assert.Equal((closure.Count, closure.Count), (first.Uploaded, first.Published));
        Assert.Equal((closure.Count, 0, 0), (second.Present, second.Uploaded, second.Published));
    }

    [NixFact]
    public async Task A_push_uploads_only_what_an_earlier_one_did_not()
    {
        await using var closure = await GeneratedClosure.MakeAsync(10);
        var half = await PushAsync(closure.Half);
        var all = await PushAsync(closure.Root);
        Assert.Equal(closure.HalfCount, half.Uploaded);
        Assert.Equal((closure.HalfCount, closure.Count - closure.HalfCount), (all.Present, all.Uploaded));
    }

    [NixFact]
    public async Task Two_pushes_of_one_closure_at_once_upload_each_NAR_once()
    {
        await using var closure = await GeneratedClosure.MakeAsync(40);
        var before = await CountNarsAsync();
        var results = await Task.WhenAll(PushAsync(closure.Root), PushAsync(closure.Root));
        Assert.Equal(closure.Count, results.Sum(result => result.Uploaded));
        Assert.Equal(closure.Count, await CountNarsAsync() - before);
    }

    [NixFact]
    public async Task Paths_can_come_from_standard_input()
    {
        await using var closure = await GeneratedClosure.MakeAsync(4);

        var push = (await CacheCli.PushAsync(Server, ["--stdin", "--json"], input: $"{closure.Half}\n{closure.Root}\n")).OrThrow();

        var lines = push.Lines.Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal([(closure.Half, "published"), (closure.Root, "published")], lines[..^1].Select(line =>
            (line.GetProperty("path").GetString()!, line.GetProperty("outcome").GetString()!)));
        Assert.Equal((1, closure.Count), (lines[^1].GetProperty("pushes").GetInt32(), lines[^1].GetProperty("published").GetInt32()));
    }

    [NixFact]
    public async Task No_path_on_standard_input_is_no_error()
    {
        (await CacheCli.PushAsync(Server, ["--stdin"], input: "")).OrThrow();
    }

    [NixFact]
    public async Task Roots_that_share_paths_go_in_one_push()
    {
        await using var closure = await GeneratedClosure.MakeAsync(6);
        await using var other = await GeneratedClosure.MakeAsync(2);
        var result = await PushAsync(closure.Half, closure.Root, other.Root);
        Assert.Equal(3, result.Roots.Length);
        Assert.Equal(closure.Count + other.Count, result.Uploaded);
    }

    [NixFact]
    public async Task The_result_is_one_line_of_JSON()
    {
        await using var closure = await GeneratedClosure.MakeAsync(2);
        var output = (await CacheCli.PushAsync(Server, closure.Root, "--json")).OrThrow();
        var line = Assert.Single(output.Lines);
        using var json = JsonDocument.Parse(line);
        Assert.Equal(closure.Count, json.RootElement.GetProperty("paths").GetInt32());
    }

    [NixFact]
    public async Task A_link_to_a_path_can_be_pushed()
    {
        await using var closure = await GeneratedClosure.MakeAsync(2);
        using var folder = new TempFolder();
        File.CreateSymbolicLink(folder["result"], closure.Root);
        Assert.Equal([closure.Root], (await PushAsync(folder["result"])).Roots);
    }

    private async Task<PushOutcome> PushAsync(params string[] paths) =>
        Parse((await CacheCli.PushAsync(Server, [.. paths, "--json"])).OrThrow());

    private async Task<int> CountNarsAsync() => (await Server.Objects.KeysAsync("nar/")).Count;

    private static PushOutcome Parse(ProcessResult push) =>
        JsonSerializer.Deserialize<PushOutcome>(push.Output, JsonSerializerOptions.Web)!;

    /// <summary>Some of what <c>--json</c> prints.</summary>
    private sealed record PushOutcome(string[] Roots, int Paths, int Present, int Uploaded, int Published);

    public sealed class EmptyServer : IAsyncLifetime
    {
        public ServerProcess Server { get; private set; } = null!;

        public async Task InitializeAsync() => Server = await ServerProcess.StartAsync();

        public async Task DisposeAsync() => await Server.DisposeAsync();
    }
}
