using OrleansCache.Cli.Common;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary><c>use</c> changes files that others own and write, too: all but its own lines stays as it is.</summary>
public sealed class UseFileTests : UseFixture
{
    [Fact]
    public async Task Damaged_comments_are_told_and_nothing_is_written()
    {
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);
        var damaged = string.Join('\n', (await File.ReadAllLinesAsync(Conf))[..^1]);
        await File.WriteAllTextAsync(Conf, damaged);

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Usage, "put it back");
        Assert.Equal(damaged, await File.ReadAllTextAsync(Conf));
    }

    [Fact]
    public async Task A_link_stays_a_link_and_a_mode_stays_as_it_is()
    {
        await File.WriteAllTextAsync(Folder["real"], Others);
        UnixMode.Set(Folder["real"], UnixMode.Own | UnixFileMode.GroupRead);
        File.CreateSymbolicLink(Conf, Folder["real"]);

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);

        Assert.Equal(Folder["real"], new FileInfo(Conf).LinkTarget);
        Assert.Equal(UnixMode.Own | UnixFileMode.GroupRead, UnixMode.Of(Folder["real"]));
        Assert.Contains("extra-substituters", await File.ReadAllTextAsync(Folder["real"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_byte_of_others_stays_as_it_is()
    {
        byte[] bytes = [0xEF, 0xBB, 0xBF, .. "# caf"u8, 0xE9, .. "\r\nmax-jobs = 4\r\n"u8, 0, 0xFF, (byte)'\n'];
        await File.WriteAllBytesAsync(Conf, bytes);

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);
        Assert.True((await File.ReadAllBytesAsync(Conf)).AsSpan().StartsWith(bytes));
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok);

        Assert.Equal(bytes, await File.ReadAllBytesAsync(Conf));
    }

    [Theory]
    [InlineData(UnixMode.Own | UnixFileMode.GroupRead, UnixMode.Own | UnixFileMode.GroupRead)]
    [InlineData(UnixMode.Own | UnixFileMode.GroupRead | UnixFileMode.OtherRead, UnixMode.Own | UnixFileMode.GroupRead)]
    public async Task A_netrc_keeps_its_mode_but_for_what_everybody_may(UnixFileMode before, UnixFileMode after)
    {
        IsPrivate = true;
        await File.WriteAllTextAsync(Netrc, "");
        UnixMode.Set(Netrc, before);

        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"]), ExitCodes.Ok);

        Assert.Equal(after, UnixMode.Of(Netrc));
    }

    [RootFact]
    public async Task A_file_stays_its_owner_s()
    {
        await File.WriteAllTextAsync(Conf, Others);
        (await ProcessRunner.RunAsync("chown", ["1234:4321", Conf])).OrThrow();

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);

        Assert.Equal("1234:4321\n", (await ProcessRunner.RunAsync("stat", ["-c", "%u:%g", Conf])).OrThrow().Output);
        Assert.Contains("extra-substituters", await File.ReadAllTextAsync(Conf), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_configuration_has_made_is_left_alone(bool isFolder)
    {
        // As on NixOS: the file itself is a link, or a folder on its way is one.
        const string Store = "/nix/store/00000000000000000000000000000000-etc";
        var conf = Conf;
        if (isFolder)
        {
            Directory.CreateSymbolicLink(Folder["static"], Store);
            File.CreateSymbolicLink(Folder["link"], "static/nix");
            conf = Path.Combine(Folder["link"], "nix.conf");
        }
        else
        {
            File.CreateSymbolicLink(Conf, $"{Store}/nix.conf");
        }

        Client.AssertTold(await Client.RunAsync(["use", Cache.Url.ToString(), "--nix-conf", conf, "--yes"], input: ""), ExitCodes.Usage,
            "extra-substituters", $"leads to {Store}/", "nix.settings", "Nothing is written");
    }

    [Fact]
    public async Task Links_that_lead_in_a_circle_are_told()
    {
        File.CreateSymbolicLink(Conf, Folder["other"]);
        File.CreateSymbolicLink(Folder["other"], Conf);

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Usage, Conf);
    }
}
