using System.Security.Cryptography.X509Certificates;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Tests.Surroundings;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Tokens;

/// <summary><c>use</c> for several caches of one server, which share the files of Nix.</summary>
public sealed class UseOfManyTests : UseFixture
{
    [Fact]
    public async Task Each_cache_has_lines_of_its_own()
    {
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok, "written");
        var first = await File.ReadAllTextAsync(Conf);
        Client.AssertTold(await UseAsync("--yes", "--cache", "team"), ExitCodes.Ok, "written");

        var both = await File.ReadAllTextAsync(Conf);
        Assert.StartsWith($"{first}# orleans-cache {Cache.Url.AbsoluteUri.TrimEnd('/')} cache team: begin", both, StringComparison.Ordinal);

        // One goes, and the other stays.
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok, "written");
        Assert.Equal(both[first.Length..], await File.ReadAllTextAsync(Conf));
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok, "cache team", "nothing to take out");
        Client.AssertTold(await UseAsync("--remove", "--yes", "--cache", "team"), ExitCodes.Ok, "written");
        Assert.Equal("", await File.ReadAllTextAsync(Conf));
    }

    [Fact]
    public async Task Without_a_server_the_only_lines_are_taken_out_and_of_several_none()
    {
        Client.AssertTold(await UseAsync("--yes"), ExitCodes.Ok);
        Client.AssertTold(await UseAsync("--yes", "--cache", "team"), ExitCodes.Ok);
        string[] remove = ["use", "--remove", "--yes", "--nix-conf", Conf];
        var both = await File.ReadAllTextAsync(Conf);

        Client.AssertTold(await Client.RunAsync(remove, input: ""), ExitCodes.Usage, Cache.Url.AbsoluteUri.TrimEnd('/'), "cache team", "--cache");
        Assert.Equal(both, await File.ReadAllTextAsync(Conf));
        Client.AssertTold(await UseAsync("--remove", "--yes"), ExitCodes.Ok);
        Client.AssertTold(await Client.RunAsync(remove, input: ""), ExitCodes.Ok, "written");

        Assert.Equal("", await File.ReadAllTextAsync(Conf));
    }

    [Fact]
    public async Task A_second_password_for_the_host_is_refused_and_nothing_is_written()
    {
        IsPrivate = true;
        await File.WriteAllTextAsync(Folder["other"], "another-token\n");
        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"]), ExitCodes.Ok);
        var (conf, netrc) = (await File.ReadAllTextAsync(Conf), await File.ReadAllTextAsync(Netrc));
        string[] team = ["--yes", "--with-token", "--cache", "team", "--token-file"];

        Client.AssertTold(await UseAsync([.. team, Folder["other"]]), ExitCodes.Usage,
            $"another password for 127.0.0.1 already, of {Cache.Url.AbsoluteUri.TrimEnd('/')}, and", "Nothing is written");
        Assert.Equal((conf, netrc), (await File.ReadAllTextAsync(Conf), await File.ReadAllTextAsync(Netrc)));

        // One token that may read both is none, nor is another one for the same cache.
        Client.AssertTold(await UseAsync([.. team, Folder["token"]]), ExitCodes.Ok);
        Client.AssertTold(await UseAsync("--remove", "--yes", "--cache", "team"), ExitCodes.Ok);
        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["other"]), ExitCodes.Ok);

        await File.WriteAllTextAsync(Netrc, "machine 127.0.0.1\n  login me\n  password mine\n");
        Client.AssertTold(await UseAsync("--yes", "--token-file", Folder["token"]), ExitCodes.Usage, "another password for 127.0.0.1 already, and");
    }

    [Fact]
    public async Task An_authority_of_ones_own_is_given_to_Nix_beside_those_of_the_machine()
    {
        using var own = new CertificateAuthority("own");
        using var machine = new CertificateAuthority("machine");
        var environment = new Dictionary<string, string?> { ["NIX_SSL_CERT_FILE"] = machine.File };
        var file = Folder["nix/orleans-cache-authorities.pem"];

        Client.AssertTold(await RunAsync("--ca", own.File), ExitCodes.Ok, $"ssl-cert-file = {file}",
            $"(1 of {own.File}, and the 1 that this machine trusts)");

        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPemFile(file);
        Assert.Equal(["CN=own", "CN=machine"], trusted.Select(c => c.Subject));
        // It goes where none is named any more, and with the rest.
        Client.AssertTold(await RunAsync(), ExitCodes.Ok);
        Assert.Equal("", await File.ReadAllTextAsync(file));
        Assert.DoesNotContain("ssl-cert-file", await File.ReadAllTextAsync(Conf), StringComparison.Ordinal);
        Client.AssertTold(await RunAsync("--ca", own.File), ExitCodes.Ok);
        Client.AssertTold(await RunAsync("--remove"), ExitCodes.Ok);
        Assert.Equal(("", ""), (await File.ReadAllTextAsync(file), await File.ReadAllTextAsync(Conf)));

        // What somebody else says stays.
        await File.WriteAllTextAsync(Conf, "ssl-cert-file = /etc/ours.pem\n");
        Client.AssertTold(await RunAsync("--ca", own.File), ExitCodes.Ok, "note: ssl-cert-file", "/etc/ours.pem, which stays");
        Assert.Equal(1, (await File.ReadAllTextAsync(Conf)).Split("ssl-cert-file").Length - 1);

        Task<ProcessResult> RunAsync(params string[] arguments) =>
            Client.RunAsync(["use", Cache.Url.ToString(), "--nix-conf", Conf, "--yes", .. arguments], environment, input: "");
    }
}
