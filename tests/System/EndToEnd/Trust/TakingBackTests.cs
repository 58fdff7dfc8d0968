using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>Paths are taken back from the command line, and a stock Nix and the pins show it.</summary>
public sealed class TakingBackTests(TrustServers servers) : IClassFixture<TrustServers>
{
    [NixFact]
    public Task What_was_taken_back_is_gone_for_Nix_breaks_its_pin_and_comes_back_when_its_bar_is_lifted() =>
        TakeBackAsync(StoreKind.Folder);

    [BucketFact]
    public Task What_was_taken_back_from_a_bucket_is_gone_too() => TakeBackAsync(StoreKind.Bucket);

    private async Task TakeBackAsync(StoreKind store)
    {
        var server = (await servers.On(store)).Process;
        await using var closure = await GeneratedClosure.MakeAsync(4);
        var pin = $"test-{Guid.NewGuid():n}";
        (await CacheCli.PushAsync(server, "--pin", pin, closure.Root)).OrThrow();
        await ReadBack.ClosureAsync(NixTool.Installed!, $"{server.Url}", server.PublicKey, closure.Root);

        var plan = (await CliAsync("evict", closure.Half)).OrThrow();
        Assert.Contains($"pin {pin} would break", plan.Output, StringComparison.Ordinal);
        Assert.Contains("Nothing was done", plan.Output, StringComparison.Ordinal);
        (await CliAsync("evict", closure.Half, "--reason", "it was not built here", "--yes")).OrThrow();

        // The path, and what refers to it.
        Assert.NotEqual(0, await SubstituteAsync(closure.Half));
        Assert.NotEqual(0, await SubstituteAsync(closure.Root));
        Assert.Contains((await CliAsync("pins", "list")).OrThrow().Lines, line => line.StartsWith(pin, StringComparison.Ordinal)
            && line.Contains("broken since", StringComparison.Ordinal));

        var refused = await CacheCli.PushAsync(server, closure.Root);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("orleans-cache bars", refused.Errors, StringComparison.Ordinal);

        var bar = (await CliAsync("bars", "list")).OrThrow().Lines.Single(line => line.Contains(closure.Half, StringComparison.Ordinal));
        Assert.Contains("it was not built here", bar, StringComparison.Ordinal);
        (await CliAsync("bars", "lift", bar.Split(' ')[0])).OrThrow();
        (await CacheCli.PushAsync(server, "--pin", pin, closure.Root)).OrThrow();
        await ReadBack.ClosureAsync(NixTool.Installed!, $"{server.Url}", server.PublicKey, closure.Root);
        Assert.DoesNotContain((await CliAsync("pins", "list")).OrThrow().Lines, line => line.StartsWith(pin, StringComparison.Ordinal)
            && line.Contains("broken since", StringComparison.Ordinal));

        Task<ProcessResult> CliAsync(params string[] arguments) =>
            CacheCli.RunAsync([.. arguments, "--url", $"{server.Url}", "--token-file", server.TokenFile]);

        async Task<int> SubstituteAsync(string path)
        {
            using var folder = new TempFolder("oc-read-");
            return (await NixTool.Installed!.SubstituteAsync(folder.Path, $"{server.Url}", server.PublicKey, [path])).ExitCode;
        }
    }
}
