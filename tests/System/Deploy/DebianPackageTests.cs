using System.Text.RegularExpressions;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>The Debian packages, in a folder with nothing but Debian: docs/install.md, command by command as it stands there.</summary>
/// <remarks>
/// No systemd runs there. The test starts what the installed unit says, as its user. The packages have the programs of
/// <see cref="BuiltProgram"/>; <c>eng/package</c> alone makes those that are shipped.
/// </remarks>
public sealed partial class DebianPackageTests
{
    private static readonly Lazy<Task<string[]>> Packages = new(MakeAsync);

    [DebianFact]
    public async Task From_packages_to_a_signed_and_substituted_closure_and_a_purge_leaves_keys_and_objects_alone()
    {
        await using var debian = await DebianRoot.MakeAsync();
        foreach (var package in await Packages.Value)
            File.Copy(package, debian["root/" + Path.GetFileName(package)]);
        await File.WriteAllTextAsync(debian["root/default.nix"], """
            derivation { name = "app"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo built > $out" ]; }
            """);
        const string OwnNixConf = "# made by hand\n";
        Directory.CreateDirectory(debian["etc/nix"]);
        await File.WriteAllTextAsync(debian["etc/nix/nix.conf"], OwnNixConf);
        var before = await debian.ListAsync();
        var commands = Commands();
        Assert.Equal(4, commands.Length);

        // 1. Installed; the administrator takes a port that is free.
        (await debian.RunAsync(commands[0])).OrThrow();
        var listen = $"127.0.0.1:{FreePort.Next()}";
        await File.AppendAllTextAsync(debian["etc/orleans-cache/server.env"], $"ORLEANS_CACHE_LISTEN={listen}\n");
        await using var server = await debian.StartAsync(
            new SystemdUnit(await File.ReadAllTextAsync(debian["lib/systemd/system/orleans-cache-server.service"])));
        await server.WaitForLineAsync(l => l == $"ready at http://{listen}", TimeSpan.FromMinutes(5));

        // 2. to 4.
        foreach (var command in commands[1..])
            (await RunAsync(command)).OrThrow();

        Assert.Equal("built\n", (await RunAsync("cat /tmp/elsewhere/nix/store/*-app")).OrThrow().Output);
        Assert.Contains("Sig: ", await NarInfoAsync(), StringComparison.Ordinal);
        // The same without the key is refused: the signature counts.
        var untrusted = await RunAsync(commands[3].Replace("/tmp/elsewhere", "/tmp/untrusted", StringComparison.Ordinal)
            + " --option trusted-public-keys ''");
        Assert.NotEqual(0, untrusted.ExitCode);

        (await RunAsync("orleans-cache use --remove --yes http://127.0.0.1:5751; chmod -R u+w /tmp; rm -rf result /tmp/*")).OrThrow();
        server.Terminate();
        Assert.Equal(0, await server.WaitAsync());
        await File.WriteAllTextAsync(debian["etc/orleans-cache/made-by-hand"], "");
        var purged = (await debian.RunAsync("apt-get purge -y -q orleans-cache orleans-cache-server")).OrThrow();
        // What cannot be made again is deleted by name alone.
        Assert.Contains("/var/lib/orleans-cache stays", purged.Output, StringComparison.Ordinal);
        (await debian.RunAsync("rm -r /var/lib/orleans-cache; userdel orleans-cache")).OrThrow();

        var after = await debian.ListAsync();
        Assert.Equal(["./etc/orleans-cache", "./etc/orleans-cache/made-by-hand"], New(before, after));
        Assert.Equal(OwnNixConf, await File.ReadAllTextAsync(debian["etc/nix/nix.conf"]));
        Assert.DoesNotContain("orleans", await File.ReadAllTextAsync(debian["etc/passwd"]), StringComparison.Ordinal);

        Task<ProcessResult> RunAsync(string command) =>
            debian.RunAsync(command.Replace("127.0.0.1:5751", listen, StringComparison.Ordinal));

        async Task<string> NarInfoAsync()
        {
            using var http = new HttpClient();
            var path = (await RunAsync("readlink ./result")).OrThrow().Output;
            return await http.GetStringAsync(new Uri($"http://{listen}/{Path.GetFileName(path.Trim())[..32]}.narinfo"));
        }
    }

    [DebianFact(isLong: true)]
    public async Task The_same_programs_make_the_same_packages()
    {
        var first = await Packages.Value;
        using var folder = new TempFolder("oc-packages-");

        var again = await MakeAsync(folder.Path);

        Assert.Equal(2, again.Length);
        Assert.All(first.Zip(again), pair =>
            Assert.True(File.ReadAllBytes(pair.First).AsSpan().SequenceEqual(File.ReadAllBytes(pair.Second)), pair.Second));
    }

    [DebianFact]
    public async Task Every_page_of_the_manual_can_be_formatted()
    {
        await using var debian = await DebianRoot.MakeAsync();
        foreach (var package in await Packages.Value)
            (await ProcessRunner.RunAsync("dpkg-deb", ["--extract", package, debian.Path])).OrThrow();
        var pages = Directory.GetFiles(debian["usr/share/man"], "orleans-cache*.gz", SearchOption.AllDirectories);

        Assert.Contains(pages, p => p.EndsWith("/man1/orleans-cache-queue.1.gz", StringComparison.Ordinal));
        Assert.Contains(pages, p => p.EndsWith("/man8/orleans-cache-server.8.gz", StringComparison.Ordinal));
        if (Programs.Find("groff") is not { } groff)
            return;
        var formatted = await ProcessRunner.RunAsync("bash",
            ["-ec", $"for page; do zcat \"$page\" | {groff} -K utf8 -man -Tutf8 -ww >/dev/null; done", "bash", .. pages]);
        Assert.Equal((0, ""), (formatted.ExitCode, formatted.Errors));
    }

    /// <summary>What is there that was not; by path.</summary>
    private static IEnumerable<string> New(SortedSet<string> before, SortedSet<string> after)
    {
        var paths = before.Select(line => line.Split(' ')[0]).ToHashSet();
        return after.Select(line => line.Split(' ')[0]).Where(path => !paths.Contains(path));
    }

    private static string[] Commands()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "install.md"));
        return DebianBlock().Match(page).Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static Task<string[]> MakeAsync()
    {
        var folder = Directory.CreateTempSubdirectory("oc-packages-").FullName;
        _ = Reaper.AtExit($"rm -rf {Reaper.Quote(folder)}");
        return MakeAsync(folder);
    }

    private static async Task<string[]> MakeAsync(string folder)
    {
        var made = (await ProcessRunner.RunAsync(Repository.Script("package"),
            ["--programs", Path.GetDirectoryName(BuiltProgram.Cli)!, "--to", folder],
            new Dictionary<string, string?> { ["SOURCE_DATE_EPOCH"] = "1700000000" })).OrThrow();
        return made.Lines;
    }

    [GeneratedRegex("^```sh debian\n(.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex DebianBlock();
}
