using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>tokens create | list | revoke</c>: who may do what.</summary>
internal static class TokensCommand
{
    private static readonly string[] Scopes = [.. Enum.GetValues<TokenScope>().Select(Word)];

    public static Command Create(CommonOptions common) => new("tokens", "Who may push, pin, collect garbage, read or administer.")
    {
        CreateOne(common),
        List(common),
        Revoke(common),
    };

    private static Command CreateOne(CommonOptions common)
    {
        var name = new Option<string>("--name")
        {
            Description = "What the token is for: letters, digits, '.', '_' and '-'.",
            HelpName = "NAME",
            Required = true
        };
        var scope = Words("--scope", "SCOPE[,…]", $"What it may do: {string.Join(", ", Scopes)}.", Scopes.Contains,
            $"the scopes are {string.Join(", ", Scopes)}");
        scope.Required = true;
        scope.CompletionSources.Add(Scopes);
        var pins = Words("--pins", "PATTERN[,…]", "With the scope pin or deploy: only pins of such names, such as 'prod-*'. [default: all]",
            static text => PinPattern.TryParse(text, out _), PinPattern.Rule);
        var group = new Option<string>("--group")
        {
            Description =
            "The trust group whose uploads it relies on before a server has read them. [default: its own alone]",
            HelpName = "GROUP"
        };
        var expires = Duration.Option("--expires", "The token is refused after this time, such as 12h or 90d. [default: never]");
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("create", "Make a token, and print its secret: once, on standard output.") { name, scope, pins, group,
            expires, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new CreateToken
            {
                Name = result.GetRequiredValue(name),
                Scopes = [.. result.GetRequiredValue(scope).Select(word => Enum.GetValues<TokenScope>().First(s => Word(s) == word))],
                Pins = result.GetValue(pins) is { Length: > 0 } patterns ? [.. patterns.Select(PinPattern.Parse)] : null,
                ExpiresSeconds = result.GetValue(expires)?.TotalSeconds,
                Group = result.GetValue(group),
            };
            var created = await ServerCall.AskAsync(common, result, api => api.CreateTokenAsync(request, cancellationToken));
            Console.Out.WriteLine(result.GetValue(json) ? JsonSerializer.Serialize(created, ProtocolJson.Default.CreatedToken)
                : created.Secret);
            if (StandardStreams.OutputError is { } why)
                throw new CliException(ExitCodes.Failed,
                    $"The token {created.Token.Name} is made, and its secret is lost: standard output cannot be written: {why}. Revoke " +
                    $"it ('orleans-cache tokens revoke {created.Token.Id}') and make another.");
            if (result.GetValue(json))
                return;
            await Console.Error.WriteLineAsync(
                $"{created.Token.Name}: {Allows(created.Token)}; " +
                $"{(created.Token.Expires is { } end ? $"until {Text.Time(end)}" : "until it is revoked")}. The secret is not told again.");
        });
        return command;
    }

    private static Command List(CommonOptions common)
    {
        var revoked = new Option<bool>("--revoked") { Description = "Those that were revoked too." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var command = new Command("list", "List the tokens, without their secrets.") { revoked, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var list = await ServerCall.AskAsync(common, result, api => api.TokensAsync(result.GetValue(revoked), cancellationToken));
            if (result.GetValue(json))
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(list, ProtocolJson.Default.TokenList));
                return;
            }

            foreach (var line in Text.Table(["ID", "NAME", "ALLOWS", "GROUP", "CREATED AT", "LAST USED", "UNTIL"], list.Tokens.Select(Row)))
                Console.Out.WriteLine(line);
        });
        return command;
    }

    private static Command Revoke(CommonOptions common)
    {
        var which = new Argument<string>("NAME|ID") { Description = "The token's name, or its ID in the list." };
        var command = new Command("revoke", "Revoke a token: every server refuses it from then on.") { which };
        command.SetAction(async (result, cancellationToken) =>
        {
            var wanted = result.GetRequiredValue(which);
            var revoked = await ServerCall.AskAsync(common, result, async api =>
            {
                // By id: a repeated request must not revoke another token that has taken the name meanwhile.
                var all = (await api.TokensAsync(false, cancellationToken)).Tokens;
                var token = all.FirstOrDefault(t => t.Name == wanted)
                    ?? all.FirstOrDefault(t => t.Id.ToString(CultureInfo.InvariantCulture) == wanted)
                    ?? throw new CliException(ExitCodes.Failed,
                        $"There is no token '{wanted}' that is not revoked; 'orleans-cache tokens list' tells them.");
                await api.RevokeTokenAsync(token.Id, cancellationToken);
                return token;
            });
            Console.Out.WriteLine($"{revoked.Name}: revoked");
        });
        return command;
    }

    private static string[] Row(Token token) =>
    [
        token.Id.ToString(CultureInfo.InvariantCulture), token.Name, Allows(token), token.Group ?? "", Text.Time(token.Created),
            token.LastUsed is { } used ? Text.Time(used) : "never",
        token.Revoked is { } revoked ? $"revoked {Text.Time(revoked)}" : token.Expires is { } expires ? Text.Time(expires) : "revoked",
    ];

    private static string Allows(Token token) =>
        string.Join(',', token.Scopes.Select(Word)) + (token.Pins is { } pins ? $" (pins {string.Join(' ', pins)})" : "");

    private static string Word(TokenScope scope) => scope.ToString().ToLowerInvariant();

    /// <summary>An option that takes words, also several with commas between.</summary>
    private static Option<string[]> Words(string name, string placeholder, string description, Func<string, bool> isGood,
        string rule) => new(name)
        {
            Description = description,
            HelpName = placeholder,
            CustomParser = argument =>
            {
                string[] words = [.. argument.Tokens.SelectMany(token => token.Value.Split(',', StringSplitOptions.TrimEntries))];
                if (Array.Find(words, word => !isGood(word)) is { } bad)
                    argument.AddError($"{name} has '{bad}': {rule}.");
                return words;
            },
        };
}
