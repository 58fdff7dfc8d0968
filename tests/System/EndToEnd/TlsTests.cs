using System.Text.Json;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>The server speaks TLS: to curl, to our client, and to every stock Nix; who has no token shows a certificate.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly CertificateAuthority _servers = new("servers");
    private readonly CertificateAuthority _clients = new("clients");
    private readonly TempFolder _folder = new("oc-tls-");

    public static TheoryData<string> Tools => NixCopyTests.Tools;

    [Fact]
    public async Task Curl_shows_a_certificate_over_HTTP_2()
    {
        await using var server = await StartAsync();
        var (certificate, key) = Builder();

        var with = await CurlAsync(server, "/v1/whoami", "--http2", "--cert", certificate, "--key", key);
        var without = await CurlAsync(server, "/v1/whoami", "--http1.1");

        Assert.Equal(("2", "cert:builders/dns:b1.example.org"), (with.Version, Subject(with.Body)));
        Assert.Equal(("1.1", "anonymous"), (without.Version, Subject(without.Body)));
    }

    [Fact]
    public async Task A_renewed_certificate_is_shown_without_a_restart_and_a_half_written_one_is_not()
    {
        await using var server = await StartAsync();
        var first = await ShownAsync(server);

        // The key comes later: in between there is no pair.
        var key = await File.ReadAllTextAsync(_servers["server.key"]);
        var (renewed, renewedKey) = _servers.Server("renewed");
        File.Move(renewed, _servers["server.pem"], overwrite: true);
        await Eventually.BecomesTrueAsync(() => server.Log.Contains("the former certificate stays", StringComparison.Ordinal), describe: () =>
            server.Log);
        Assert.Equal(first, await ShownAsync(server));
        File.Move(renewedKey, _servers["server.key"], overwrite: true);

        await Eventually.BecomesTrueAsync(async () => await ShownAsync(server) != first, describe: () => server.Log);
        Assert.Equal("anonymous", Subject((await CurlAsync(server, "/v1/whoami")).Body));
        Assert.Contains("was renewed", server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(key.Split('\n')[1], server.Log, StringComparison.Ordinal);
    }

    [NixFact]
    public async Task Our_client_pushes_with_a_certificate_and_is_told_whose_it_is()
    {
        await using var server = await StartAsync();
        await using var closure = await GeneratedClosure.MakeAsync(5);
        var (certificate, key) = Builder();
        string[] options = ["--url", server.Url.ToString(), "--ca", _servers.File, "--client-cert", certificate, "--client-key", key];

        (await CacheCli.RunAsync(["push", .. options, closure.Root])).OrThrow();
        var who = (await CacheCli.RunAsync(["whoami", .. options])).OrThrow().Output;
        var doctor = await CacheCli.RunAsync(["doctor", .. options]);
        var untrusted = await CacheCli.RunAsync("info", "--url", server.Url.ToString());
        var nobody = await CacheCli.RunAsync("push", "--url", server.Url.ToString(), "--ca", _servers.File, closure.Root);

        Assert.Contains("publisher    cert:builders/dns:b1.example.org", who, StringComparison.Ordinal);
        Assert.Contains("credential   a certificate", who, StringComparison.Ordinal);
        Assert.Contains("ok       permission", doctor.Output, StringComparison.Ordinal);
        Assert.Equal(3, untrusted.ExitCode);
        Assert.Contains("--ca", untrusted.Errors, StringComparison.Ordinal);
        Assert.Equal(4, nobody.ExitCode);
    }

    [NixTheory]
    [MemberData(nameof(Tools))]
    public async Task Stock_nix_writes_and_reads_over_TLS_with_a_token_in_its_netrc(string name)
    {
        await using var server = await StartAsync("--private");
        await using var closure = await GeneratedClosure.MakeAsync(20, fileBytes: 200_000);
        var nix = NixTool.Named(name);
        await File.WriteAllTextAsync(_folder["netrc"],
            $"machine 127.0.0.1 login ci password {(await File.ReadAllTextAsync(server.TokenFile)).Trim()}\n");
        var settings = $"netrc-file = {_folder["netrc"]}";

        // Nix 2.8 has no setting for it, and every Nix heeds the variable.
        (await nix.RunAsync("env", [Trust, "nix", "copy", "--no-check-sigs", "--to", $"{server.Url}c/default", closure.Root],
            settings: settings, home: _folder["home"])).OrThrow();

        await ReadAsync(nix, server, closure.Root, server.Url.ToString(), settings);
    }

    /// <summary>The settings came with Nix 2.34: a store's URL names the files.</summary>
    [NewestNixFact]
    public async Task The_newest_nix_writes_and_reads_with_a_certificate_and_no_token()
    {
        await using var server = await StartAsync("--private");
        await using var closure = await GeneratedClosure.MakeAsync(5);
        var (certificate, key) = Builder();
        var query = $"?tls-certificate={certificate}&tls-private-key={key}";
        var settings = $"ssl-cert-file = {_servers.File}";
        var nix = NixTool.Newest!;

        var refused = await nix.RunAsync("nix", ["copy", "--no-check-sigs", "--to", $"{server.Url}c/default", closure.Root],
            settings: settings, home: _folder["home"]);
        (await nix.RunAsync("nix", ["copy", "--no-check-sigs", "--to", $"{server.Url}c/default{query}", closure.Root], settings: settings,
            home: _folder["home"])).OrThrow();

        Assert.NotEqual(0, refused.ExitCode);
        await ReadAsync(nix, server, closure.Root, $"{server.Url}{query}", settings);
        var paths = (await CacheCli.RunAsync("paths", "--by", "cert:builders/dns:b1.example.org", "--url", server.Url.ToString(), "--ca",
            _servers.File, "--token-file", server.TokenFile)).OrThrow().Output;
        Assert.Contains(Path.GetFileName(closure.Root), paths, StringComparison.Ordinal);
    }

    [NewestNixFact]
    public async Task What_use_writes_is_enough_for_nix_to_read_over_TLS()
    {
        await using var server = await StartAsync();
        await using var closure = await GeneratedClosure.MakeAsync(5);
        var nix = NixTool.Newest!;
        (await CacheCli.RunAsync("push", "--url", server.Url.ToString(), "--token-file", server.TokenFile, "--ca", _servers.File, closure.Root))
            .OrThrow();

        (await CacheCli.RunAsync("use", server.Url.ToString(), "--ca", _servers.File, "--nix-conf", _folder["nix.conf"], "--yes")).OrThrow();

        using var store = new TempFolder("oc-read-");
        (await nix.RunAsync("nix-store", ["--realise", closure.Root], store.Path,
            $"substituters =\nsubstitute = true\nmax-jobs = 0\n{await File.ReadAllTextAsync(_folder["nix.conf"])}")).OrThrow();
        (await nix.VerifyAsync(store.Path)).OrThrow();
    }

    public void Dispose()
    {
        _servers.Dispose();
        _clients.Dispose();
        _folder.Dispose();
    }

    private async Task<ServerProcess> StartAsync(params string[] more)
    {
        var (certificate, key) = _servers.Server();
        await File.WriteAllTextAsync(_folder["access.json"],
            """{"certificates":{"rules":[{"name":"builders","claims":{"dns":"*.example.org"},"scopes":["read","push"]}]}}""");
        return await ServerProcess.StartAsync(["--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", _clients.File,
            "--access", _folder["access.json"], .. more]);
    }

    private (string Certificate, string Key) Builder() =>
        _clients.Client("builder", "CN=builder", names => names.AddDnsName("b1.example.org"));

    private string Trust => $"NIX_SSL_CERT_FILE={_servers.File}";

    private async Task ReadAsync(NixTool nix, ServerProcess server, string root, string substituter, string settings)
    {
        using var store = new TempFolder("oc-read-");
        (await nix.RunAsync("env", [Trust, "nix-store", "--realise", root], store.Path, $"""
            substituters = {substituter}
            trusted-public-keys = {server.PublicKey}
            substitute = true
            max-jobs = 0
            {settings}
            """)).OrThrow();
        (await nix.VerifyAsync(store.Path)).OrThrow();
    }

    private async Task<(string Version, string Body)> CurlAsync(ServerProcess server, string path, params string[] options)
    {
        var run = (await ProcessRunner.RunAsync("curl", ["-sS", "--cacert", _servers.File, .. options, "-w", "\n%{http_version}",
            new Uri(server.Url, path).ToString()])).OrThrow();
        var lines = run.Output.TrimEnd('\n').Split('\n');
        return (lines[^1], string.Join('\n', lines[..^1]));
    }

    private static string Subject(string whoAmI)
    {
        using var document = JsonDocument.Parse(whoAmI);
        return document.RootElement.GetProperty("subject").GetString()!;
    }

    private static async Task<string> ShownAsync(ServerProcess server) => (await ProcessRunner.RunAsync("bash", ["-c",
        $"openssl s_client -connect 127.0.0.1:{server.Url.Port} </dev/null 2>/dev/null | openssl x509 -noout -serial"])).OrThrow().Output;
}
