using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Deploy;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>What <c>deploy</c> does with a pin: options, else variables, which a unit's file of settings has.</summary>
internal sealed class DeployOptions
{
    private const string ForRoot = "/nix/var/nix/profiles/orleans-cache";
    private const string Variable = "ORLEANS_CACHE_DEPLOY_";

    private readonly Option<string?> _profile = new("--profile")
    {
        Description = $"The profile that gets a generation. Else ${Variable}PROFILE. [default: as root {ForRoot}/PIN, else " +
            "~/.local/state/orleans-cache/profiles/PIN]",
        HelpName = "LINK",
    };

    private readonly Option<string?> _switch = new("--switch")
    {
        Description = "The command that takes the path over, such as 'bin/switch-to-configuration switch', whose first word may be a program " +
            $"of the path. Else ${Variable}SWITCH, none.",
        HelpName = "COMMAND",
    };

    private readonly Option<string?> _health = new("--health")
    {
        Description = $"The command that exits with 0 once what was switched to works. Else ${Variable}HEALTH, none.",
        HelpName = "COMMAND",
    };

    private readonly Option<TimeSpan?> _healthTimeout =
        Duration.Option("--health-timeout", $"How long the health command may fail. Else ${Variable}HEALTH_TIMEOUT. [default: 1m]");

    private readonly Option<string?> _machine = new("--machine")
    {
        Description = $"The name under which this machine reports. Else ${Variable}MACHINE, its host name.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _retry = new("--retry") { Description = "Try a revision again that has failed here." };

    /// <summary>Fetch from the cache of the pin.</summary>
    public Option<bool> Substitute { get; } = new("--substitute")
    {
        Description = "Let Nix fetch from this cache although its configuration names others; for who Nix trusts.",
    };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_profile, _switch, _health, _healthTimeout, _machine, _retry, Substitute])
            command.Options.Add(option);
    }

    /// <exception cref="CliException">A setting is wrong.</exception>
    public DeployPlan Of(ParseResult result, PinName pin) => new()
    {
        Pin = pin,
        Profile = Path.GetFullPath(Of(result.GetValue(_profile), "PROFILE") ?? DefaultProfile(pin)),
        Switch = Of(result.GetValue(_switch), "SWITCH"),
        Health = Of(result.GetValue(_health), "HEALTH"),
        HealthTimeout = result.GetValue(_healthTimeout) ?? TimeOf("HEALTH_TIMEOUT") ?? TimeSpan.FromMinutes(1),
        Retries = result.GetValue(_retry),
    };

    /// <exception cref="CliException">The name is none that the server takes.</exception>
    public MachineName MachineOf(ParseResult result)
    {
        var name = Of(result.GetValue(_machine), "MACHINE") ?? Environment.MachineName;
        return MachineName.TryParse(name, out var machine) ? machine
            : throw new CliException(ExitCodes.Usage,
                $"'{name}' is not the name of a machine: {MachineName.Rule}. Name it with --machine.");
    }

    private static string? Of(string? option, string variable) => !string.IsNullOrWhiteSpace(option) ? option
        : Environment.GetEnvironmentVariable(Variable + variable) is { } value && !string.IsNullOrWhiteSpace(value) ? value : null;

    private static TimeSpan? TimeOf(string variable) => Of(null, variable) is not { } text ? null
        : DurationText.TryParse(text, out var time, out var error) ? time
        : throw new CliException(ExitCodes.Usage, $"{Variable}{variable} {error}.");

    private static string DefaultProfile(PinName pin)
    {
        if (Environment.UserName == "root")
            return Path.Combine(ForRoot, pin.ToString());
        if (Environment.GetEnvironmentVariable("XDG_STATE_HOME") is ['/', ..] state)
            return Path.Combine(state, "orleans-cache", "profiles", pin.ToString());
        return Environment.GetEnvironmentVariable("HOME") is ['/', ..] home
            ? Path.Combine(home, ".local", "state", "orleans-cache", "profiles", pin.ToString())
            : throw new CliException(ExitCodes.Usage,
                $"There is no place for the profile, as HOME is not set: name it with --profile or {Variable}PROFILE.");
    }
}
