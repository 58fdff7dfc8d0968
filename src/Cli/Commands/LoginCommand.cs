using System.CommandLine;
using System.Net;
using System.Text;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Terminal;
using OrleansCache.Cli.Tokens;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>login URL</c>, <c>logout [URL]</c>: a person's token for a server, kept for the commands that follow.</summary>
internal static class LoginCommand
{
    public static Command Login(CommonOptions common)
    {
        var url = new Argument<string>("URL") { Description = "The server, such as https://cache.example.org." };
        var issuer = new Option<string?>("--issuer") { Description = "Log in there, if the server names several.", HelpName = "NAME" };
        var paste = new Option<bool>("--paste") { Description = "Paste a token, although the server names an issuer." };
        var yes = new Option<bool>("--yes") { Description = "Log in at the issuer without asking whether that is the right one." };
        var command = new Command("login", "Log in to a server; later commands need neither --url nor --token-file.")
        {
            url, issuer, paste, yes,
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            var settings = common.Resolve(result, url: result.GetRequiredValue(url));
            await RunAsync(settings, result.GetValue(issuer), result.GetValue(paste), result.GetValue(yes), cancellationToken);
        });
        return command;
    }

    public static Command Logout(CommonOptions common)
    {
        var url = new Argument<string?>("URL") { Description = "The server.", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("logout", "Forget the login at a server.") { url };
        command.SetAction(async (result, cancellationToken) =>
        {
            var settings = common.Resolve(result, url: result.GetValue(url));
            if (Store().Remove(settings.Url) is not { } removed)
                throw new CliException(ExitCodes.Failed, $"There is no login at {LoginStore.KeyOf(settings.Url)}.");
            var there = await RevokeAsync(removed, settings, cancellationToken);
            Console.Out.WriteLine($"{removed.Url}: logged out here{there}; the token itself is good until it expires or is revoked");
        });
        return command;
    }

    // Whatever comes of it, the login is forgotten here.
    private static async Task<string> RevokeAsync(Login login, ServerSettings settings, CancellationToken cancellationToken)
    {
        if (login is not { RefreshToken: { } refresh, Issuer: { } issuer, ClientId: { } client })
            return "";
        try
        {
            using var http = Connections.Open(1, settings.Tls, settings.Url);
            var isEnded = await new IssuerClient(http, CommonOptions.First(new RetryPolicy())).RevokeAsync(issuer, client, refresh,
                cancellationToken);
            return isEnded ? $", and {Text.Printable(issuer)} refreshes it no more"
                : $"; {Text.Printable(issuer)} has no way to be told, so end the session there";
        }
        catch (CliException e)
        {
            await Console.Error.WriteLineAsync(
                $"warning: the refresh token could not be revoked, so end the session at the issuer: {e.Message}");
            return "";
        }
    }

    private static LoginStore Store() => LoginStore.Default(Environment.GetEnvironmentVariable)
        ?? throw new CliException(ExitCodes.Usage, "There is no place for logins: neither XDG_CONFIG_HOME nor HOME is set.");

    private static async Task RunAsync(ServerSettings settings, string? issuerName, bool paste, bool yes,
        CancellationToken cancellationToken)
    {
        var store = Store();
        using var http = Connections.Open(2, settings.Tls, settings.Url);
        var retry = CommonOptions.First(new RetryPolicy());
        try
        {
            var login = await InfoAsync(new Api(http, settings.Url, settings.Cache, TokenSource.None, retry), settings, cancellationToken);
            var issuer = paste ? null : Choose(login.Issuers, issuerName);
            if (issuer is not null)
                Present(issuer, settings, isKnown: yes || IsKnown(store.Find(settings.Url), issuer));
            var made = issuer is null
                ? new Login { Url = LoginStore.KeyOf(settings.Url), Token = await PasteAsync(login, cancellationToken) }
                : await AtIssuerAsync(new IssuerClient(http, new RetryPolicy()), issuer, settings, cancellationToken);
            var who = await new Api(http, settings.Url, settings.Cache, made.Token, retry).WhoAmIAsync(cancellationToken);
            store.Put(made);
            Console.Out.WriteLine($"{made.Url}: logged in as {Text.Printable(who.Subject)}{Until(made)}");
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Unreachable)
        {
            throw CommonOptions.Unreachable(settings, e);
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode,
                e.ExitCode == ExitCodes.Refused ? $"The server refuses this token: {e.Message}" : e.Message, e);
        }
    }

    // An older server has no such route, and takes tokens of its own alone; one that cannot say whose a token is has no logins.
    private static async Task<LoginInfo> InfoAsync(Api api, ServerSettings settings, CancellationToken cancellationToken)
    {
        try
        {
            return await api.LoginAsync(cancellationToken);
        }
        catch (CacheException e) when (e.Status == HttpStatusCode.NotFound)
        {
            var info = await api.InfoAsync(cancellationToken);
            return await KnowsWhoAsync(api, cancellationToken) ? new LoginInfo { Audience = "", Issuers = [] }
                : throw new CliException(ExitCodes.Failed,
                    $"{settings.Url} runs orleans-cache {Text.Printable(info.Version)}, which is older than logins: put the token into a " +
                    "file and name that with --token-file or ORLEANS_CACHE_TOKEN_FILE, or update the server.");
        }
    }

    private static async Task<bool> KnowsWhoAsync(Api api, CancellationToken cancellationToken)
    {
        try
        {
            await api.WhoAmIAsync(cancellationToken);
            return true;
        }
        catch (CacheException e)
        {
            return e.Status != HttpStatusCode.NotFound;
        }
    }

    private static LoginIssuer? Choose(IReadOnlyList<LoginIssuer> issuers, string? name)
    {
        var forPeople = issuers.Where(i => i.ClientId is not null).ToList();
        if (name is not null)
        {
            return forPeople.Find(i => i.Name == name) ?? throw new CliException(ExitCodes.Usage, forPeople.Count == 0
                ? "The server names no issuer at which people log in: paste a token instead (without --issuer)."
                : $"The server names no issuer '{name}' at which people log in: {Names(forPeople)}.");
        }

        return forPeople.Count <= 1 ? forPeople.FirstOrDefault() : throw new CliException(ExitCodes.Usage,
            $"The server names several issuers: choose one with --issuer ({Names(forPeople)}).");
    }

    private static string Names(List<LoginIssuer> issuers) => Text.Printable(string.Join(", ", issuers.Select(i => i.Name)));

    // Of the same server, issuer and client the person has been asked before.
    private static bool IsKnown(Login? former, LoginIssuer issuer) => former is not null && former.Issuer == issuer.Issuer
        && former.ClientId == issuer.ClientId && former.Scopes == IssuerClient.ScopesOf(issuer);

    // The server chooses issuer, client and scopes, and gets the token: only the person can tell whether these belong together.
    private static void Present(LoginIssuer issuer, ServerSettings settings, bool isKnown)
    {
        if (!IssuerClient.IsSafe(settings.Url))
            throw new CliException(ExitCodes.Usage, $"{settings.Url} is no https URL: what says who you are is not sent in the clear. " +
                "Name the server by https, or paste a token of its own (--paste).");
        Console.Error.WriteLine($"""
            The server lets in whoever logs in at this issuer, and gets the token that says who that is:
              server  {settings.Url}
              issuer  {Text.Printable(issuer.Issuer)} ({Text.Printable(issuer.Name)})
              client  {Text.Printable(issuer.ClientId!)}
              scopes  {Text.Printable(IssuerClient.ScopesOf(issuer))}
            """);
        if (!isKnown)
            Confirmation.Demand("Log in there?", "Nobody was asked for a token.",
                "say --yes to log in at this issuer, or --paste to read a token from standard input");
    }

    private static async Task<Login> AtIssuerAsync(IssuerClient client, LoginIssuer issuer, ServerSettings settings,
        CancellationToken cancellationToken)
    {
        var device = await client.BeginAsync(issuer, cancellationToken);
        await Console.Error.WriteLineAsync($"""
            Open in a browser

                {Text.Printable(device.Answer.CompleteUri ?? device.Answer.VerificationUri!)}

            and enter the code {Text.Printable(device.Answer.UserCode!)}. Waiting …
            """);
        var answer = await client.WaitAsync(device, cancellationToken);
        return new Login
        {
            Url = LoginStore.KeyOf(settings.Url),
            Token = RenewableToken.Check(answer.IdToken!, $"What {Text.Printable(issuer.Issuer)} answered"),
            RefreshToken = answer.RefreshToken,
            Issuer = issuer.Issuer,
            ClientId = issuer.ClientId,
            Scopes = IssuerClient.ScopesOf(issuer),
        };
    }

    private static async Task<string> PasteAsync(LoginInfo login, CancellationToken cancellationToken)
    {
        if (Console.IsInputRedirected)
            return RenewableToken.Check(await Console.In.ReadToEndAsync(cancellationToken), "Standard input");
        if (StandardStreams.InputIsClosed)
            throw new CliException(ExitCodes.Usage, "There is no standard input to read a token from.");
        await Console.Error.WriteAsync(login.Issuers.Count == 0 ? "Paste a token of this server (it is not shown): "
            : "Paste a token of this server, or of one of its issuers (it is not shown): ");
        var text = ReadHidden(cancellationToken);
        await Console.Error.WriteLineAsync();
        return RenewableToken.Check(text, "What was pasted");
    }

    private static string ReadHidden(CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        while (text.Length <= RenewableToken.MaxLength)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var key = Console.ReadKey(intercept: true);
            switch (key.Key)
            {
                case ConsoleKey.Enter:
                    return text.ToString();
                case ConsoleKey.Backspace:
                    text.Length -= text.Length > 0 ? 1 : 0;
                    break;
                default:
                    if (!char.IsControl(key.KeyChar))
                        text.Append(key.KeyChar);
                    break;
            }
        }

        return text.ToString();
    }

    private static string Until(Login login) => login.RefreshToken is not null ? "; the token is refreshed by itself"
        : JwtExpiry.Of(login.Token) is { } end ? $" until {Text.Time(end)}" : "";
}
