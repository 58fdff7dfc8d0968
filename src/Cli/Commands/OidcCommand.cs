using System.CommandLine;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>oidc check</c>: which rules of the server a token of an issuer matches.</summary>
internal static class OidcCommand
{
    public static Command Create(CommonOptions common)
    {
        var file = new Argument<string>("TOKEN-FILE") { Description = "A file with the token of a job; '-' is standard input." };
        var json = new Option<bool>("--json") { Description = "Print the answer of the server as JSON." };
        var check = new Command("check", "Tell which rules of the server let a token in, and of the others the claim that fails.")
        {
            file, json
        };
        check.SetAction(async (result, cancellationToken) =>
        {
            var token = await ReadAsync(result.GetRequiredValue(file), cancellationToken);
            var answer = await ServerCall.AskAsync(common, result, api => api.CheckAccessAsync(token, cancellationToken));
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(answer, ProtocolJson.Default.AccessChecked));
            else
                Write(answer);
            return answer is { Refused: null, Subject: not null } ? ExitCodes.Ok : ExitCodes.Failed;
        });
        return new Command("oidc", "Tokens of OIDC issuers, such as those of CI jobs.") { check };
    }

    private static async Task<string> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            var text = file == "-" ? await Console.In.ReadToEndAsync(cancellationToken)
                : await File.ReadAllTextAsync(file, cancellationToken);
            return text.Trim() is { Length: > 0 } token ? token
                : throw new CliException(ExitCodes.Usage, $"{file} is empty: a token is wanted, as the issuer gives it to a job.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"The token file {file} cannot be read: {e.Message}", e);
        }
    }

    private static void Write(AccessChecked answer)
    {
        Console.Out.WriteLine(answer.Refused is { } why ? $"The token is refused: {why}."
            : answer.Subject is null ? "The token is valid, and no rule lets it in." : $"The token is valid: {answer.Subject}");
        if (answer is { Refused: null, Expires: { } end })
            Console.Out.WriteLine($"until {Text.Time(end)}");
        if (answer.Rules.Count == 0)
            return;
        Console.Out.WriteLine();
        foreach (var line in Text.Table(["ISSUER", "RULE", "MATCHES", "BECAUSE"], answer.Rules.Select(r => (string[])
            [r.Issuer, r.Rule, r.Matched ? "yes" : "no", Why(r)])))
            Console.Out.WriteLine(line);
    }

    private static string Why(RuleChecked rule) => rule.Claim is null ? ""
        : $"{rule.Claim} is {(rule.Found is { Count: > 0 } found ? Quoted(found, " and ") : "not there")}" +
            (rule.Wanted is { Count: > 0 } wanted ? $", and {Quoted(wanted, " or ")} is wanted" : ", and has to be");

    // A claim is somebody else's text: nothing in it may steer a terminal.
    private static string Quoted(IReadOnlyList<string> texts, string between) =>
        string.Join(between, texts.Select(t => $"'{string.Concat(t.Select(c => char.IsControl(c) ? '?' : c))}'"));
}
