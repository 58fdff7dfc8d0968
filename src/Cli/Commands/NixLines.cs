using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// The lines of nix.conf and netrc by which Nix reads from a server. What the server says of itself stands in them only where it is what it
/// should be: a line break or a <c>#</c> in it would be a setting of the server's choice.
/// </summary>
/// <param name="asked">The server's URL, as the client was given it.</param>
/// <param name="info">What the server says.</param>
internal sealed class NixLines(Uri asked, CacheInfo info)
{
    private readonly Uri _substituter = SubstituterOf(info);

    /// <summary>The server signs nothing, so Nix would have to believe whatever it sends.</summary>
    public bool IsUnsigned => info.PublicKeys.Count == 0;

    /// <summary>The lines of nix.conf.</summary>
    /// <param name="tls">The certificate that Nix is to show.</param>
    /// <param name="trustsUnsigned">A server without keys is believed.</param>
    /// <exception cref="CliException">The server says what cannot stand there, or signs nothing.</exception>
    public List<string> Conf(ClientTls tls, bool trustsUnsigned)
    {
        var keys = info.PublicKeys.Select(KeyOf).ToList();
        // Nix 2.34 and newer show a certificate that the store's URL names.
        var parameters = new List<string>();
        if (tls.CertificateFile is { } certificate)
        {
            DemandHost("shows it your certificate");
            parameters.Add($"tls-certificate={Escape(Path.GetFullPath(certificate))}");
            parameters.Add($"tls-private-key={Escape(Path.GetFullPath(tls.KeyFile ?? certificate))}");
        }

        if (IsUnsigned)
        {
            if (!trustsUnsigned)
                throw new CliException(ExitCodes.Refused,
                    $"{asked} signs nothing, so Nix would install whatever anybody at that URL sends, without knowing who made it. Start the " +
                    "server with a signing key; or say --trust-unsigned, if everybody who can write to the server or answer in its place may " +
                    "run programs here.");
            DemandHost("believes all that it sends");
            parameters.Add("trusted=true");
        }

        var query = parameters.Count == 0 ? "" : $"?{string.Join('&', parameters)}";
        var lines = new List<string> { $"extra-substituters = {_substituter.AbsoluteUri}{query}" };
        if (keys.Count > 0)
            lines.Add($"extra-trusted-public-keys = {string.Join(' ', keys)}");
        return lines;
    }

    /// <summary>The line of netrc.</summary>
    /// <exception cref="CliException">Nix would send the token to another host, or in the clear.</exception>
    public string Netrc(string token)
    {
        DemandHost("sends it your token");
        return $"machine {asked.IdnHost} login orleans-cache password {token}";
    }

    /// <summary>Nix sends the first password of a netrc for a host, whatever cache of it is read.</summary>
    /// <exception cref="CliException">The file has another one.</exception>
    public void DemandOnlyPassword(MarkedLines netrc, string token)
    {
        if (PasswordsOf(netrc.Texts().Others).All(password => password == token))
            return;
        var owner = netrc.Parts().FirstOrDefault(p => PasswordsOf(p.Lines).Any(password => password != token)).Part;
        throw new CliException(ExitCodes.Usage,
            $"{netrc.Path} has another password for {asked.IdnHost} already{(owner is null ? "" : $", of {owner}")}, and Nix sends one to a " +
            "host: read both caches with one token that may (by a rule for both), give this cache a host of its own " +
            "('caches set NAME --host'), or take the other out with 'orleans-cache use --remove'. Nothing is written.");
    }

    /// <summary>What nix.conf says of a setting; null: nothing. The last line counts.</summary>
    public static string? SettingOf(string name, string conf) => conf.Split('\n').Select(line => line.Split('#')[0].Split('=', 2))
        .LastOrDefault(pair => pair is [var setting, _] && setting.Trim() == name)?[1].Trim() is { Length: > 0 } value ? value : null;

    /// <summary>A file's name in a line of nix.conf.</summary>
    /// <exception cref="CliException">It cannot stand there.</exception>
    public static string FileName(string path) => IsOneWord(path) ? path : throw new CliException(ExitCodes.Usage,
        $"'{Text.Printable(path)}' cannot stand in nix.conf, as it has a '#', a space or a control character: choose a file of another " +
        "name.");

    // The passwords that a netrc has for the host.
    private IEnumerable<string> PasswordsOf(string netrc)
    {
        var isOurs = false;
        var words = netrc.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i + 1 < words.Length; i++)
        {
            if (words[i] == "machine")
                isOurs = words[++i].Equals(asked.IdnHost, StringComparison.OrdinalIgnoreCase);
            else if (isOurs && words[i] == "password")
                yield return words[++i];
        }
    }

    private static Uri SubstituterOf(CacheInfo info)
    {
        var url = info.Substituter;
        return url is { IsAbsoluteUri: true } && url.Scheme is "http" or "https" && url.Host.Length > 0 && url.UserInfo.Length == 0
            && url.Query.Length == 0 && url.Fragment.Length == 0 && IsOneWord(url.OriginalString) && IsOneWord(url.AbsoluteUri) ? url
            : throw Foreign($"calls itself '{Text.Printable(url?.OriginalString ?? "")}', which is no URL of a cache");
    }

    private string KeyOf(string text) => PublicKey.Normalize(text) is { } key && IsOneWord(key) ? key
        : throw Foreign($"names the key '{Text.Printable(text)}', which is none: name:base64 is wanted");

    // Whom Nix trusts with a secret, or blindly, is the server that this program was told, and not one that it names.
    private void DemandHost(string what)
    {
        if (!_substituter.IdnHost.Equals(asked.IdnHost, StringComparison.OrdinalIgnoreCase)
            || (asked.Scheme == Uri.UriSchemeHttps && _substituter.Scheme != Uri.UriSchemeHttps))
            throw new CliException(ExitCodes.Refused,
                $"The server was asked as {asked} and calls itself {_substituter.AbsoluteUri}. Nix would use that URL, and {what}: give the " +
                "URL that is right to 'orleans-cache use', or start the server with --public-url.");
    }

    private static CliException Foreign(string what) => new(ExitCodes.Failed, $"The server {what}. Nothing is written.");

    private static bool IsOneWord(string text) => text.Length > 0 && !text.Any(c => c == '#' || char.IsWhiteSpace(c) || char.IsControl(c));

    // Nix decodes the query of a store's URL.
    private static string Escape(string path) => string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
}
