using OrleansCache.Cli.Common;
using OrleansCache.Cli.Tests.Fake;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary><c>use</c>: what it writes into nix.conf and netrc, and takes out again.</summary>
public sealed class UseCommandTests : UseFixture
{
    [Fact]
    public async Task A_public_cache_needs_its_url_and_its_keys_and_is_written_once()
    {
        await File.WriteAllTextAsync(Conf, Others);

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok, Conf, $"extra-substituters = {Cache.Url}", "written");
        var written = await File.ReadAllTextAsync(Conf);
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok, "as it should be already");

        Assert.Equal(written, await File.ReadAllTextAsync(Conf));
        Assert.StartsWith(Others + "\n# orleans-cache ", written, StringComparison.Ordinal);
        Assert.Contains($"\nextra-substituters = {Cache.Url}\nextra-trusted-public-keys = {FakeCache.Key}\n# orleans-cache ", written,
            StringComparison.Ordinal);
        Assert.False(File.Exists(Netrc));

        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok, "written");
        Assert.Equal(Others + "\n", await File.ReadAllTextAsync(Conf));
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok, "nothing to take out");
    }

    [Fact]
    public async Task What_the_server_has_changed_replaces_the_lines_where_they_stand_no_more()
    {
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);
        await File.AppendAllTextAsync(Conf, "cores = 2\n");
        Cache.Named = new Uri("https://cache.example.org/new");

        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);

        var lines = await File.ReadAllLinesAsync(Conf);
        Assert.Equal("cores = 2", lines[0]);
        Assert.Equal(["extra-substituters = https://cache.example.org/new"],
            lines.Where(l => l.Contains("substituters", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_private_cache_needs_a_token_in_netrc_which_is_never_shown()
    {
        IsPrivate = true;
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Refused, "'orleans-cache login'");

        var run = await UseAsync("--yes", "--token-file", Folder["token"]);

        Client.AssertTold(run, ExitCodes.Ok, $"netrc-file = {Netrc}", "machine 127.0.0.1 login orleans-cache password …");
        Assert.DoesNotContain("the-secret-token", run.Output + run.Errors, StringComparison.Ordinal);
        Assert.Contains("\nmachine 127.0.0.1 login orleans-cache password the-secret-token\n", await File.ReadAllTextAsync(Netrc),
            StringComparison.Ordinal);
        Assert.Equal(UnixMode.Own, UnixMode.Of(Netrc));

        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok);
        Assert.Equal(("", ""), (await File.ReadAllTextAsync(Netrc), await File.ReadAllTextAsync(Conf)));
    }

    [Fact]
    public async Task A_token_is_taken_out_wherever_an_earlier_call_has_put_it()
    {
        IsPrivate = true;
        string[] token = ["--yes", "--token-file", Folder["token"]];

        // In a file that was named, then in one that nix.conf named and does so no more.
        Client.AssertTold(await UseAsync([.. token, "--netrc", Folder["one"]]), ExitCodes.Ok);
        Client.AssertTold(await UseAsync(token), ExitCodes.Ok, "as it should be already");
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok, Folder["one"]);
        Assert.Equal("", await File.ReadAllTextAsync(Folder["one"]));

        await File.WriteAllTextAsync(Conf, $"netrc-file = {Folder["two"]}\n");
        Client.AssertTold(await UseAsync(token), ExitCodes.Ok, Folder["two"]);
        await File.WriteAllTextAsync(Conf, (await File.ReadAllTextAsync(Conf)).Replace($"netrc-file = {Folder["two"]}\n", "",
            StringComparison.Ordinal));
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok, Folder["two"]);
        Assert.Equal("", await File.ReadAllTextAsync(Folder["two"]));
    }

    [Fact]
    public async Task A_token_that_is_needed_no_more_goes()
    {
        IsPrivate = true;
        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"]), ExitCodes.Ok);

        IsPrivate = false;
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok, Netrc);

        Assert.Equal("", await File.ReadAllTextAsync(Netrc));
        Assert.DoesNotContain("netrc-file", await File.ReadAllTextAsync(Conf), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_netrc_that_nix_conf_names_is_the_one_that_is_written()
    {
        IsPrivate = true;
        await File.WriteAllTextAsync(Folder["mine"], "machine other login a password b\n");
        await File.WriteAllTextAsync(Conf, $"netrc-file = {Folder["mine"]} # as ever\n");

        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"]), ExitCodes.Ok, Folder["mine"]);

        Assert.DoesNotContain("netrc-file", string.Join('\n', (await File.ReadAllLinesAsync(Conf)).Skip(1)), StringComparison.Ordinal);
        Assert.StartsWith("machine other login a password b\n# orleans-cache ", await File.ReadAllTextAsync(Folder["mine"]),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_is_named_in_the_url_of_the_store()
    {
        using var authority = new CertificateAuthority();
        var (certificate, key) = authority.Client("me", "CN=me");
        IsPrivate = true;

        Client.AssertTold(await UseAsync("--yes", "--client-cert", certificate, "--client-key", key), ExitCodes.Ok,
            $"extra-substituters = {Cache.Url}?tls-certificate={certificate}&tls-private-key={key}");
    }

    [Fact]
    public async Task Nothing_is_written_when_nobody_says_yes()
    {
        Client.AssertTold(await UseAsync(), ExitCodes.Usage, "extra-substituters", "say --yes");

        Assert.False(File.Exists(Conf));
    }
}
