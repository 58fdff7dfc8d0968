using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>The objects lie on a disk of 40 MiB.</summary>
public sealed class FullDiskTests
{
    [SmallDiskFact(needsNix: true)]
    public async Task A_push_that_does_not_fit_ends_at_once_with_the_reason_and_what_it_sent_is_gone()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var disk = await SmallDisk.OnAsync(Path.Combine(server.Data, "store"), 40);
        await using var large = await GeneratedClosure.MakeAsync(1, fileBytes: 60_000_000);
        await using var small = await GeneratedClosure.MakeAsync(2, fileBytes: 1_000_000);
        var free = disk.Free;

        var push = await CacheCli.PushAsync(server, large.Root);

        Assert.Equal(1, push.ExitCode);
        Assert.Contains("The disk that holds the objects is full", push.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("trying again", push.Errors, StringComparison.Ordinal);
        // What its other parts took goes with the push, which the client has ended. The page of the cache may be written meanwhile.
        await Eventually.BecomesTrueAsync(() => disk.Free > free - 100_000, describe: () => $"{disk.Free} of {free} bytes are free");
        Assert.Equal(0, (await CacheCli.PushAsync(server, small.Root)).ExitCode);
    }

    [SmallDiskFact(needsNix: true)]
    public async Task Doctor_tells_that_hardly_any_space_is_left_and_a_collection_works_all_the_same()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var disk = await SmallDisk.OnAsync(Path.Combine(server.Data, "store"), 40);
        await using var closure = await GeneratedClosure.MakeAsync(2, fileBytes: 1_000_000);
        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();
        await disk.FillAsync();
        // The server looks once a second, so its answer may be from before the disk was full.
        using var http = new HttpClient { BaseAddress = server.Url };
        await Eventually.BecomesTrueAsync(async () => !(await http.GetAsync(new Uri("/readyz?for=push", UriKind.Relative))).IsSuccessStatusCode);

        var doctor = await CacheCli.RunAsync("doctor", "--url", server.Url.ToString(), "--token-file", server.TokenFile);
        var gc = await CacheCli.RunAsync("gc", "--url", server.Url.ToString(), "--token-file", server.TokenFile, "--force",
            "--older-than", "0s");

        Assert.Equal(3, doctor.ExitCode);
        Assert.Contains("FAILED   pushes          would fail now: The disk that holds the objects has 0 MiB left", doctor.Output,
            StringComparison.Ordinal);
        Assert.Equal(0, gc.ExitCode);
        Assert.True(disk.Free > 1_000_000, $"{disk.Free} bytes are free");
    }
}
