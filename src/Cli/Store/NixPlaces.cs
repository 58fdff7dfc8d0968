using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>
/// The folders of Nix's store on this machine, below whatever root Nix was told to use: the client reads the files there.
/// </summary>
internal sealed record NixPlaces
{
    private const string StateFolder = "/nix/var/nix";
    private const string LogFolder = "/nix/var/log/nix";

    /// <summary>The folder with the store paths.</summary>
    public string Store { get; private init; } = StorePath.StoreDir;

    public required string Database { get; init; }

    /// <summary>The folder with the logs of derivations.</summary>
    public required string BuildLogs { get; init; }

    /// <summary>Names on disk may have a suffix that the NAR does not have (<c>use-case-hack</c>).</summary>
    public bool CaseHack { get; private init; }

    /// <summary>Finds the store that Nix uses by its environment and its configuration.</summary>
    /// <exception cref="CliException">The store's files are not on this machine.</exception>
    public static async Task<NixPlaces> FindAsync(string nix, CancellationToken cancellationToken)
    {
        var (store, caseHack) = await SettingsAsync(nix, ["show-config"], cancellationToken)
            ?? await SettingsAsync(nix, ["config", "show"], cancellationToken)
            ?? (Environment.GetEnvironmentVariable("NIX_REMOTE") ?? "", false);
        return Of(store, Environment.GetEnvironmentVariable) with { CaseHack = caseHack };
    }

    /// <param name="store">A store as <c>NIX_REMOTE</c> and <c>store</c> in nix.conf name it.</param>
    /// <param name="environment">Nix's variables.</param>
    /// <exception cref="CliException">The store's files are not on this machine.</exception>
    public static NixPlaces Of(string store, Func<string, string?> environment)
    {
        var mark = store.IndexOf('?', StringComparison.Ordinal);
        var place = mark < 0 ? store : store[..mark];
        var settings = mark < 0 ? [] : Settings(store[(mark + 1)..]);
        var root = place switch
        {
            "" or "auto" or "daemon" or "local" or "local://" => settings.GetValueOrDefault("root") ?? "",
            _ when place.StartsWith("unix://", StringComparison.Ordinal) => settings.GetValueOrDefault("root") ?? "",
            _ when place.StartsWith("local://", StringComparison.Ordinal) => place["local://".Length..],
            _ when place[0] is '/' or '.' => Path.GetFullPath(place),
            _ => throw new CliException(ExitCodes.Usage,
                $"Nix uses the store '{store}' (NIX_REMOTE, or 'store' in nix.conf): its files cannot be read here. Push on the machine " +
                    "that has them, or name a local store: NIX_REMOTE=daemon."),
        };
        root = root.TrimEnd('/');
        var state = settings.GetValueOrDefault("state") ?? Default(root, StateFolder, "NIX_STATE_DIR");
        var logs = settings.GetValueOrDefault("log") ?? Default(root, LogFolder, "NIX_LOG_DIR");
        return new NixPlaces
        {
            Store = settings.GetValueOrDefault("real") ?? root + StorePath.StoreDir,
            Database = Path.Combine(state, "db", "db.sqlite"),
            BuildLogs = Path.Combine(logs, "drvs"),
        };

        string Default(string under, string folder, string variable) =>
            under.Length > 0 ? under + folder : environment(variable) is { Length: > 0 } moved ? moved : folder;
    }

    private static Dictionary<string, string> Settings(string query)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            if (pair.IndexOf('=', StringComparison.Ordinal) is var equals and > 0 && equals < pair.Length - 1)
                settings[pair[..equals]] = Uri.UnescapeDataString(pair[(equals + 1)..]);
        }

        return settings;
    }

    private static async Task<(string Store, bool CaseHack)?> SettingsAsync(string nix, string[] command,
        CancellationToken cancellationToken)
    {
        var output = await NixProgram.RunAsync(nix, ["--extra-experimental-features", "nix-command", .. command, "--json"],
            cancellationToken);
        if (output.ExitCode != 0)
            return null;
        try
        {
            using var settings = JsonDocument.Parse(output.Stdout);
            var store = Value(settings.RootElement, "store");
            return (store.ValueKind == JsonValueKind.String ? store.GetString()! : "",
                Value(settings.RootElement, "use-case-hack").ValueKind == JsonValueKind.True);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonElement Value(JsonElement settings, string name) =>
        settings.ValueKind == JsonValueKind.Object && settings.TryGetProperty(name, out var setting)
            && setting.ValueKind == JsonValueKind.Object && setting.TryGetProperty("value", out var value) ? value : default;
}
