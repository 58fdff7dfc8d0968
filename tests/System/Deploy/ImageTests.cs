using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>
/// The container image: <c>eng/image</c> makes it, and the programs run in it without a shell, as its user, on a read-only file system.
/// </summary>
public sealed class ImageTests
{
    private static readonly Lazy<Task<string>> Archive = new(MakeAsync);

    [ImageFact]
    public async Task The_image_says_what_an_engine_asks_and_has_no_shell()
    {
        using var image = await UnpackedImage.UnpackAsync(await Archive.Value);

        Assert.Equal(("1654:1654", "/usr/local/bin/orleans-cache-server"), (image.User, image.EntryPoint));
        Assert.Equal(["11111/tcp", "5751/tcp"],
            image.Config.GetProperty("ExposedPorts").EnumerateObject().Select(port => port.Name).Order(StringComparer.Ordinal));
        var version = (await CacheCli.RunAsync("--version")).OrThrow().Output.Trim().Split(' ')[^1].Split('+')[0];
        var labels = image.Config.GetProperty("Labels");
        Assert.Equal(("OrleansCache", version, "2023-11-14T22:13:20Z"), (Label("title"), Label("version"), Label("created")));

        Assert.False(Path.Exists(Path.Combine(image.Root, "usr/bin/sh")), "The image has a shell.");
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(image.Root, "dev")));
        Assert.False(Path.Exists(Path.Combine(image.Root, "etc/resolv.conf")), "The image has this machine's resolv.conf.");
        Assert.Contains("-----BEGIN CERTIFICATE-----",
            await File.ReadAllTextAsync(Path.Combine(image.Root, "etc/ssl/certs/ca-certificates.crt")), StringComparison.Ordinal);
        Assert.Contains("--cluster-id", (await image.RunAsync(image.EntryPoint, ["--help"])).OrThrow().Output, StringComparison.Ordinal);
        // A library that the loader does not find is one for which the programs have a slower stand-in, or none.
        var loaded = await image.RunAsync("/usr/local/bin/orleans-cache", ["--version"],
            preload: "libzstd.so.1 liblzma.so.5 libbz2.so.1 libssl.so.3");
        Assert.Equal((0, ""), (loaded.ExitCode, loaded.Errors));

        string? Label(string name) => labels.GetProperty($"org.opencontainers.image.{name}").GetString();
    }

    [ImageFact(needsNix: true)]
    public async Task What_is_pushed_to_a_server_in_the_image_is_signed_and_comes_back()
    {
        using var image = await UnpackedImage.UnpackAsync(await Archive.Value);
        using var folder = new TempFolder("oc-image-");
        Directory.CreateDirectory(folder["secrets"]);
        var secret = (await NixTool.Installed!.RunAsync("nix", ["key", "generate-secret", "--key-name", "image-1"])).OrThrow().Output;
        var key = (await NixTool.Installed.RunAsync("nix", ["key", "convert-secret-to-public"], input: secret)).OrThrow().Output.Trim();
        await File.WriteAllTextAsync(folder["secrets/key"], secret);
        await File.WriteAllTextAsync(folder["secrets/token"], "a-token-that-may-do-everything\n");
        foreach (var file in Directory.GetFiles(folder["secrets"]))
            UnixMode.Set(file, UnixMode.Own);
        await using var postgres = new PostgresFaultProxy(await (await PostgresServer.Shared).CreateDatabaseAsync());
        var url = $"http://127.0.0.1:{FreePort.Next()}";
        await using var server = image.Start(image.EntryPoint,
            ["--listen", url["http://".Length..], "--postgres", postgres.ConnectionString, "--data", "/tmp/data",
                "--sign-key", "/tmp/secrets/key", "--token-file", "/tmp/secrets/token"], folder["secrets"]);
        await server.WaitForLineAsync(line => line == $"ready at {url}", TimeSpan.FromMinutes(5));
        var closure = await Closures.GetAsync("small");

        (await CacheCli.RunAsync("push", "--url", url, "--token-file", folder["secrets/token"], closure.Root)).OrThrow();

        using var store = new TempFolder("oc-read-");
        (await NixTool.Installed.SubstituteAsync(store.Path, url, key, [closure.Root])).OrThrow();
        (await NixTool.Installed.VerifyAsync(store.Path)).OrThrow();
        server.Terminate();
        Assert.Equal(0, await server.WaitAsync());
    }

    [ImageFact]
    public async Task The_same_programs_and_packages_make_the_same_archive()
    {
        var first = await Archive.Value;

        var again = await MakeAsync();

        Assert.NotEqual(first, again);
        Assert.True(File.ReadAllBytes(first).AsSpan().SequenceEqual(File.ReadAllBytes(again)), again);
    }

    // Debian's packages come once for all tests of a process.
    private static readonly string Folder = MakeFolder();

    private static int _archives;

    private static string MakeFolder()
    {
        var folder = Directory.CreateTempSubdirectory("oc-images-").FullName;
        _ = Reaper.AtExit($"rm -rf {Reaper.Quote(folder)}");
        return folder;
    }

    private static async Task<string> MakeAsync()
    {
        var archive = Path.Combine(Folder, $"{Interlocked.Increment(ref _archives)}.tar");
        return (await ProcessRunner.RunAsync(Repository.Script("image"),
            ["--programs", Path.GetDirectoryName(BuiltProgram.Cli)!, "--base", Path.Combine(Folder, "debian"), "--to", archive],
            new Dictionary<string, string?> { ["SOURCE_DATE_EPOCH"] = "1700000000" })).OrThrow().Lines[^1];
    }
}
