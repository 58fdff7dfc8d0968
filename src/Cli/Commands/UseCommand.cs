using System.CommandLine;
using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Tokens;

namespace OrleansCache.Cli.Commands;

/// <summary><c>use [URL]</c>: writes what Nix needs to read from a cache into nix.conf and netrc, after showing it.</summary>
internal static class UseCommand
{
    private const string TokenIn = "# the token is in ";
    private const string NetrcFile = "netrc-file";

    public static Command Create(CommonOptions common)
    {
        var url = new Argument<string?>("URL") { Description = "The server.", Arity = ArgumentArity.ZeroOrOne };
        var yes = new Option<bool>("--yes") { Description = "Write it without asking." };
        var remove = new Option<bool>("--remove") { Description = "Take out what an earlier call wrote." };
        var withToken = new Option<bool>("--with-token")
        {
            Description = "Write the token into netrc although reads need none: for 'nix copy' to the server."
        };
        var trustUnsigned = new Option<bool>("--trust-unsigned")
        {
            Description = "Let Nix install whatever a server sends that signs nothing."
        };
        var nixConf = new Option<string?>("--nix-conf")
        {
            Description = "The file to write. [default: /etc/nix/nix.conf as root, else ~/.config/nix/nix.conf]",
            HelpName = "FILE"
        };
        var netrc = new Option<string?>("--netrc")
        {
            Description = "The file for the token. [default: that of netrc-file in nix.conf, else netrc beside it]",
            HelpName = "FILE"
        };
        var command = new Command("use", "Let Nix on this machine read from the server.")
        {
            url, yes, remove, withToken, trustUnsigned, nixConf, netrc,
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            var conf = result.GetValue(nixConf) ?? DefaultConf();
            var own = result.GetValue(netrc);
            var isNamed = result.GetValue(url) is not null || result.GetValue(common.Url) is not null;
            var plan = result.GetValue(remove)
                ? Removal(() => common.Resolve(result, url: result.GetValue(url)), isNamed, conf, own)
                : await PlanAsync(common.Resolve(result, url: result.GetValue(url)), conf,
                    own is null ? null : NixLines.FileName(Path.GetFullPath(own)), result.GetValue(withToken),
                    result.GetValue(trustUnsigned), cancellationToken);
            NixFileChange.Carry(plan, result.GetValue(yes));
        });
        return command;
    }

    private static string DefaultConf()
    {
        if (Environment.GetEnvironmentVariable("NIX_CONF_DIR") is { Length: > 0 } folder)
            return Path.Combine(folder, "nix.conf");
        if (Environment.UserName == "root")
            return "/etc/nix/nix.conf";
        // Nix looks where this program looks, too.
        return ConfigFile.DefaultPath(Environment.GetEnvironmentVariable) is { } own
            ? Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(own)!)!, "nix", "nix.conf")
            : throw new CliException(ExitCodes.Usage, "There is no place for nix.conf, as HOME is not set: name it with --nix-conf.");
    }

    private static List<NixFileChange> Removal(Func<ServerSettings> resolve, bool isNamed, string conf, string? netrc)
    {
        var part = PartToRemove(resolve, isNamed, conf);
        var nix = new MarkedLines(conf, part);
        return [new NixFileChange(nix, []), new NixFileChange(new MarkedLines(NixAuthorities.FileOf(conf), part), []),
            .. WithoutToken([netrc, .. FormerNetrcs(nix), NixLines.SettingOf(NetrcFile, nix.Texts().Others), BesideOf(conf)], part)];
    }

    // Whoever names no server means the one that is there.
    private static string PartToRemove(Func<ServerSettings> resolve, bool isNamed, string conf)
    {
        var there = new MarkedLines(conf, "").Parts().Select(p => p.Part).ToList();
        if (!isNamed && there is [var only])
            return only;
        // Several logins are no answer here: the lines are.
        if (!isNamed && there.Count > 1)
            throw new CliException(ExitCodes.Usage,
                $"{conf} has lines of {string.Join(", ", there)}: name the server, and its cache with --cache.");
        var settings = resolve();
        var part = MarkedLines.PartOf(settings.Url, settings.Cache);
        if (there.Count > 0 && !there.Contains(part))
            Console.Error.WriteLine($"note: {conf} has no lines of {part}, but of {string.Join(", ", there)}");
        return part;
    }

    // Where an earlier call has put the token: it was told so in a setting, or in a comment.
    private static IEnumerable<string?> FormerNetrcs(MarkedLines nix)
    {
        var own = nix.Texts().Own;
        return [NixLines.SettingOf(NetrcFile, own), .. own.Split('\n').Where(line => line.StartsWith(TokenIn, StringComparison.Ordinal))
            .Select(line => line[TokenIn.Length..].TrimEnd())];
    }

    private static IEnumerable<NixFileChange> WithoutToken(IEnumerable<string?> netrcs, string part) =>
        netrcs.OfType<string>().Select(Path.GetFullPath).Distinct().Select(path => Secret(path, part, []));

    private static NixFileChange Secret(string path, string part, IReadOnlyList<string> lines) =>
        new(new MarkedLines(path, part), lines, "--netrc") { IsSecret = true };

    private static async Task<List<NixFileChange>> PlanAsync(ServerSettings settings, string conf, string? netrc, bool withToken,
        bool trustsUnsigned, CancellationToken cancellationToken)
    {
        using var http = Connections.Open(2, settings.Tls, settings.Url);
        var retry = CommonOptions.First(new RetryPolicy());
        try
        {
            var info = await ServerCall.InfoAsync(settings, http, retry, null, cancellationToken);
            var nixLines = new NixLines(settings.Url, info);
            var lines = nixLines.Conf(settings.Tls, trustsUnsigned);
            if (nixLines.IsUnsigned)
                await Console.Error.WriteLineAsync(
                    "warning: the server signs nothing: Nix will install whatever it sends, or whoever answers in its place, unchecked");
            var token = withToken || (settings.Tls.CertificateFile is null && await NeedsTokenAsync(http, settings, cancellationToken))
                ? await TokenAsync(settings, http, retry, cancellationToken) : null;
            return Plan(nixLines, lines, settings, conf, netrc, token);
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Unreachable)
        {
            throw CommonOptions.Unreachable(settings, e);
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode, e.Message, e);
        }
    }

    private static List<NixFileChange> Plan(NixLines nixLines, List<string> lines, ServerSettings settings, string conf, string? netrc,
        string? token)
    {
        var part = MarkedLines.PartOf(settings.Url, settings.Cache);
        var nix = new MarkedLines(conf, part);
        var (others, before) = nix.Texts();
        var former = FormerNetrcs(nix).ToList();
        var authorities = NixAuthorities.Of(settings.Tls, conf, part, others);
        if (authorities is { Line: var line })
            lines.Add(line);
        List<NixFileChange> plan = [new(nix, lines), authorities?.Change ?? new(new MarkedLines(NixAuthorities.FileOf(conf), part), [])];
        if (token is null)
            return [.. plan, .. WithoutToken(former, part)];
        var theirs = NixLines.SettingOf(NetrcFile, others);
        var own = netrc ?? theirs ?? NixLines.SettingOf(NetrcFile, before) ?? BesideOf(conf);
        nixLines.DemandOnlyPassword(new MarkedLines(own, part), token);
        lines.Add(own == theirs ? TokenIn + own : $"{NetrcFile} = {NixLines.FileName(own)}");
        return [.. plan, Secret(own, part, [nixLines.Netrc(token)]),
            .. WithoutToken(former.Where(path => path is not null && Path.GetFullPath(path) != Path.GetFullPath(own)), part)];
    }

    private static async Task<bool> NeedsTokenAsync(HttpMessageInvoker http, ServerSettings settings, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get,
            $"{settings.Url.AbsoluteUri.TrimEnd('/')}/c/{Uri.EscapeDataString(settings.Cache)}/nix-cache-info");
        using var answer = await http.SendAsync(request, cancellationToken);
        return answer.StatusCode == HttpStatusCode.Unauthorized;
    }

    private static async Task<string> TokenAsync(ServerSettings settings, HttpMessageInvoker http, RetryPolicy retry,
        CancellationToken cancellationToken)
    {
        var tokens = ServerCall.Tokens(settings, http, retry);
        var token = await tokens.GetAsync(cancellationToken) ?? throw new CliException(ExitCodes.Refused,
            "The server wants a token of whoever reads, and there is none: log in with 'orleans-cache login', or name one with --token-file.");
        if (JwtExpiry.Of(token) is { } end)
            await Console.Error.WriteLineAsync(
                $"note: the token from {tokens.Name} ends at {Text.Time(end)}; after that call 'orleans-cache use' again, or use a token of the server");
        return token;
    }

    private static string BesideOf(string conf) => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(conf))!, "netrc");
}
