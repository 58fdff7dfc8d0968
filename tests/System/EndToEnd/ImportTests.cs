using System.Text.Json;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>Caches that a stock Nix has written move in, and are read by a Nix that requires signatures.</summary>
public sealed class ImportTests
{
    [NixTheory]
    [InlineData("xz")]
    [InlineData("zstd")]
    [InlineData("none")]
    public async Task A_folder_that_Nix_wrote_moves_in_and_readers_of_either_key_read_it(string compression)
    {
        using var old = await OldCache.MakeAsync();
        await using var server = await ServerProcess.StartAsync();
        await using var closure = await GeneratedClosure.MakeAsync(6, fileBytes: 300_000);
        await old.CopyAsync(closure.Root, $"?compression={compression}");

        var first = await ImportAsync(server, old.Folder, ["--source-key", old.KeyFile]);
        var keys = await server.Objects.KeysAsync();
        var second = await ImportAsync(server, old.Folder, ["--source-key", old.PublicKey]);

        Assert.Equal((closure.Count, closure.Count), (first.Paths, first.Published));
        Assert.Equal(compression == "zstd" ? (closure.Count, 0) : (0, closure.Count), (first.Copied, first.Compressed));
        Assert.Equal((closure.Count, 0, 0), (second.Present, second.Pushes, second.Published));
        Assert.Equal(keys.Order(), (await server.Objects.KeysAsync()).Order());
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), old.PublicKey, closure.Root);
        Assert.Equal("", await FsckAsync(server));
    }

    [NixFact]
    public async Task A_set_of_odd_paths_moves_in_through_a_web_server_with_the_roots_that_are_named()
    {
        var closure = await Closures.GetAsync("edge");
        using var folder = new TempFolder();
        var key = SecretKey.Generate("older-1");
        await File.WriteAllTextAsync(folder["key"], key.Export());
        await using var from = await ServerProcess.StartAsync("--sign-key", folder["key"]);
        (await CacheCli.PushAsync(from, closure.Root)).OrThrow();
        await using var to = await ServerProcess.StartAsync();

        var result = await ImportAsync(to, from.Url.ToString(), ["--source-key", key.PublicKey.ToString(), "--path", closure.Root]);

        Assert.Equal(closure.Paths.Count, result.Published);
        await ReadBack.ClosureAsync(NixTool.Installed!, to.Url.ToString(), to.PublicKey, closure.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, to.Url.ToString(), key.PublicKey.ToString(), closure.Root);
    }

    [BucketFact]
    public async Task A_bucket_moves_into_another_with_pins_logs_and_realisations()
    {
        using var source = await ObjectBucket.CreateAsync();
        using var target = await ObjectBucket.CreateAsync();
        await using var from = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. source.ServerOptions]);
        await using var to = await ServerProcess.StartAsync(["--postgres", await (await PostgresServer.Shared).CreateDatabaseAsync(),
            .. target.ServerOptions]);
        var (derivation, output) = await Realisations.BuildAsync();
        (await CacheCli.PushAsync(from, output, "--pin", "app")).OrThrow();
        await using var large = await GeneratedClosure.MakeAsync(3, fileBytes: 20_000_000);
        (await CacheCli.PushAsync(from, large.Root)).OrThrow();
        var s3 = await CephServer.Shared;
        var place = $"s3://{source.Name}?endpoint={s3.Endpoint}&region={s3.Region}";
        string[] options = ["--source-key", from.PublicKey, "--pins"];
        var owner = new Dictionary<string, string?> { ["AWS_ACCESS_KEY_ID"] = s3.AccessKey, ["AWS_SECRET_ACCESS_KEY"] = s3.SecretKey };

        var first = await ImportAsync(to, place, options, owner);
        var second = await ImportAsync(to, $"{place}&anonymous=true", options);

        Assert.Equal(first.Paths, first.Published);
        Assert.Equal(first.Paths, first.Copied);
        Assert.Equal((first.Paths, 0), (second.Present, second.Pushes));
        Assert.Equal(await Keys(source), await Keys(target));
        Assert.Equal(output, System.Text.Encoding.UTF8.GetString((await target.ReadAsync("pins/app"))!));
        await ReadBack.DerivationAsync(NixTool.Installed!, target.Url, to.PublicKey, derivation, output);
        await ReadBack.ClosureAsync(NixTool.Installed!, target.Url, to.PublicKey, large.Root);
        Assert.Equal("", await FsckAsync(to));

        async Task<string> Keys(ObjectBucket bucket) => string.Join('\n', (await bucket.KeysAsync())
            .Where(key => !key.StartsWith("nar/", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [NixFact]
    public async Task What_is_damaged_or_broken_is_named_and_the_others_come_and_once_mended_it_comes_too()
    {
        using var old = await OldCache.MakeAsync();
        await using var server = await ServerProcess.StartAsync();
        await using var good = await GeneratedClosure.MakeAsync(3);
        await using var cut = await GeneratedClosure.MakeAsync(2, fileBytes: 50_000);
        await using var lacking = await GeneratedClosure.MakeAsync(2);
        foreach (var root in (string[])[good.Root, cut.Root, lacking.Root])
            await old.CopyAsync(root, "?compression=xz");
        var nar = Path.Combine(old.Folder, (await old.NarInfoAsync(cut.Tops[0])).Url);
        var whole = await File.ReadAllBytesAsync(nar);
        await File.WriteAllBytesAsync(nar, whole[..^40]);
        var gone = old.NarInfoFile(lacking.Tops[0]);
        var text = await File.ReadAllTextAsync(gone);
        File.Delete(gone);

        var first = await RunAsync(server, old.Folder, ["--source-key", old.PublicKey]);

        Assert.Equal(1, first.ExitCode);
        Assert.Contains($"{cut.Tops[0]} has a damaged NAR", first.Errors, StringComparison.Ordinal);
        Assert.Contains($"{lacking.Tops[0]} is not in the source", first.Errors, StringComparison.Ordinal);
        Assert.Contains("broken in the source", first.Errors, StringComparison.Ordinal);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, good.Root);
        Assert.DoesNotContain($"{Hash(cut.Root)}.narinfo", await server.Objects.KeysAsync());
        Assert.Equal("", await FsckAsync(server));
        await File.WriteAllBytesAsync(nar, whole);
        await File.WriteAllTextAsync(gone, text);
        await ImportAsync(server, old.Folder, ["--source-key", old.PublicKey]);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, cut.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, lacking.Root);
    }

    [NixFact]
    public async Task Without_the_key_of_the_source_nothing_comes_and_what_is_content_addressed_does()
    {
        using var old = await OldCache.MakeAsync();
        await using var server = await ServerProcess.StartAsync();
        // Texts and files are content-addressed; what a derivation builds is not.
        await using var addressed = await GeneratedClosure.MakeAsync(2);
        var small = await Closures.GetAsync("small");
        await old.CopyAsync(addressed.Root);
        await old.CopyAsync(small.Root);

        var result = await RunAsync(server, old.Folder, ["--source-key", SecretKey.Generate("other-1").PublicKey.ToString()]);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("is not trusted", result.Errors, StringComparison.Ordinal);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, addressed.Root);
        Assert.DoesNotContain($"{Hash(small.Root)}.narinfo", await server.Objects.KeysAsync());
        await ImportAsync(server, old.Folder, ["--no-check-signatures"]);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, small.Root);
        await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), old.PublicKey, small.Root);
    }

    [NixFact]
    public async Task Imports_beside_a_writer_of_the_source_are_whole_and_the_last_one_has_all()
    {
        using var old = await OldCache.MakeAsync();
        await using var server = await ServerProcess.StartAsync();
        var closures = new List<GeneratedClosure>();
        try
        {
            for (var i = 0; i < 6; i++)
                closures.Add(await GeneratedClosure.MakeAsync(4));
            var writing = Task.Run(async () =>
            {
                foreach (var closure in closures)
                    await old.CopyAsync(closure.Root);
            });
            while (!writing.IsCompleted)
            {
                // A reference that is written after its referrer would be told as broken; Nix writes references first.
                await ImportAsync(server, old.Folder, ["--source-key", old.PublicKey]);
            }

            await writing;
            var last = await ImportAsync(server, old.Folder, ["--source-key", old.PublicKey]);

            Assert.Equal(closures.Sum(closure => closure.Count), last.Paths);
            foreach (var closure in closures)
                await ReadBack.ClosureAsync(NixTool.Installed!, server.Url.ToString(), server.PublicKey, closure.Root);
            Assert.Equal("", await FsckAsync(server));
        }
        finally
        {
            foreach (var closure in closures)
                await closure.DisposeAsync();
        }
    }

    /// <summary>--full: a hundred thousand.</summary>
    [NixFact]
    public async Task Very_many_paths_move_in_by_several_pushes_and_a_second_run_has_nothing_to_do()
    {
        using var old = await OldCache.MakeAsync();
        var count = FullTests.MissingReason is null ? 100_000 : 6_000;
        old.Generate(count);
        await using var server = await ServerProcess.StartAsync();

        var first = await ImportAsync(server, old.Folder, ["--source-key", old.PublicKey]);
        var second = await ImportAsync(server, old.Folder, ["--source-key", old.PublicKey]);

        Assert.Equal((count, count, (count + 3_999) / 4_000), (first.Paths, first.Published, first.Pushes));
        Assert.Equal((count, 0), (second.Present, second.Pushes));
    }

    private static async Task<Outcome> ImportAsync(ServerProcess server, string source, string[] options,
        Dictionary<string, string?>? environment = null) =>
        JsonSerializer.Deserialize<Outcome>((await RunAsync(server, source, options, environment)).OrThrow().Output,
            JsonSerializerOptions.Web)!;

    private static async Task<ProcessResult> RunAsync(ServerProcess server, string source, string[] options,
        Dictionary<string, string?>? environment = null)
    {
        var all = CacheCli.Environment(server.Data);
        // Not those of whoever runs the tests.
        foreach (var name in (string[])["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"])
            all[name] = environment?.GetValueOrDefault(name);
        return await ProcessRunner.RunAsync(BuiltProgram.Cli, ["import", "--json", "--url", server.Url.ToString(), "--token-file",
            server.TokenFile, .. options, source], all, timeout: TimeSpan.FromMinutes(30));
    }

    private static async Task<string> FsckAsync(ServerProcess server)
    {
        var result = await CacheCli.RunAsync("fsck", "--url", server.Url.ToString(), "--token-file", server.TokenFile);
        return result.ExitCode == 0 ? "" : result.Output + result.Errors;
    }

    private static StorePathHash Hash(string path) => StorePath.Parse(path).Hash;

    /// <summary>Some of what <c>--json</c> prints.</summary>
    private sealed record Outcome(int Paths, int Present, int Pushes, int Published, int Copied, int Compressed);
}
