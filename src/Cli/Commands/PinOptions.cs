using System.CommandLine;
using System.CommandLine.Parsing;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>The options of a pin, for <c>push --pin</c> and <c>pins</c>.</summary>
internal static class PinOptions
{
    private const int MaxRevisions = 100;

    public static Argument<PinName> Name(string name = "NAME") => new(name)
    {
        Description = "The pin's name: letters, digits, '.', '_' and '-'.",
        CustomParser = ParseName
    };

    public static Option<PinName?> Pin() =>
        Pin("Set this pin on the one path that is pushed, with the commit: either both are done or neither.");

    public static Option<PinName?> Pin(string description) => new("--pin")
    {
        Description = description,
        HelpName = "NAME",
        CustomParser = static result => ParseName(result) is { } name && name != default ? name : null,
    };

    public static Option<TimeSpan?> Expires() =>
        Duration.Option("--expires", "Delete the pin after this time, such as 12h or 30d. [default: never]");

    public static Option<int?> KeepRevisions() =>
        NumberOption.Create("--keep-revisions", 1, MaxRevisions,
            "Keep the paths of the last N revisions alive, for rollbacks. [default: as before, 1 of a new pin]");

    public static Option<Sha256Hash?> Expect() => new("--expect")
    {
        Description =
            "Only if the path has this NAR hash, such as sha256:1b8m…; then also when another trust group uploaded it and no server has read that.",
        HelpName = "NARHASH",
        CustomParser = static result =>
        {
            if (Sha256Hash.TryParse(result.Tokens[^1].Value, out var hash))
                return hash;
            result.AddError($"--expect: '{result.Tokens[^1].Value}' is not a NAR hash, such as 'nix path-info --json' tells it.");
            return null;
        },
    };

    public static Option<long?> IfRevision() =>
        NumberOption.Create("--if-revision", 0L, long.MaxValue, "Only if the pin is at this revision; 0: only if there is none.");

    /// <exception cref="CliException">An option of a pin was given without a pin.</exception>
    public static PushPin? OfPush(PinName? name, TimeSpan? expires, int? keep) => name is { } pin
        ? new PushPin { Name = pin, ExpiresSeconds = expires?.TotalSeconds, KeepRevisions = keep }
        : expires is null && keep is null ? null
            : throw new CliException(ExitCodes.Usage, "--expires and --keep-revisions belong to a pin: name it with --pin.");

    /// <exception cref="CliException">It is no name of a pin.</exception>
    public static PinName Parse(string text) => PinName.TryParse(text, out var name) ? name
        : throw new CliException(ExitCodes.Usage, $"'{text}' is not the name of a pin: {PinName.Rule}.");

    private static PinName ParseName(ArgumentResult result)
    {
        var text = result.Tokens[^1].Value;
        if (!PinName.TryParse(text, out var name))
            result.AddError($"'{text}' is not the name of a pin: {PinName.Rule}.");
        return name;
    }
}
