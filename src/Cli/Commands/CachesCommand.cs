using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary><c>caches create | list | show | set | delete</c>.</summary>
internal static class CachesCommand
{
    public static Command Create(CommonOptions common) => new("caches", "The caches of a server, and their settings.")
    {
        CreateOne(common),
        List(common),
        Show(common),
        Set(common),
        Delete(common),
    };

    private static Command CreateOne(CommonOptions common)
    {
        var (name, settings, json) = (Name(), new SettingsOptions(), Json());
        var command = new Command("create", "Make a cache, with a key of its own to sign with.") { name, json };
        settings.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            var request = new CreateCache { Name = result.GetRequiredValue(name), Settings = settings.Read(result, isNew: true) };
            var made = await ServerCall.AskAsync(common, result, api => api.CreateCacheAsync(request, cancellationToken));
            Write(made, result.GetValue(json));
        });
        return command;
    }

    private static Command List(CommonOptions common)
    {
        var json = Json();
        var command = new Command("list", "List the caches.") { json };
        command.SetAction(async (result, cancellationToken) =>
        {
            var list = await ServerCall.AskAsync(common, result, api => api.CachesAsync(cancellationToken));
            if (result.GetValue(json))
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(list, ProtocolJson.Default.CacheList));
                return;
            }

            foreach (var line in Text.Table(["NAME", "READS", "PRIORITY", "VERIFY", "URL", "STATE"], list.Caches.Select(Row)))
                Console.Out.WriteLine(line);
        });
        return command;
    }

    private static Command Show(CommonOptions common)
    {
        var (name, json) = (Name(), Json());
        var command = new Command("show", "Show a cache with its settings.") { name, json };
        command.SetAction(async (result, cancellationToken) =>
            Write(await ServerCall.AskAsync(common, result, api => api.CacheAsync(result.GetRequiredValue(name), cancellationToken)),
                result.GetValue(json)));
        return command;
    }

    private static Command Set(CommonOptions common)
    {
        var (name, settings, json) = (Name(), new SettingsOptions(), Json());
        var command = new Command("set", "Change settings of a cache; what is not named stays.") { name, json };
        settings.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            var changes = settings.Read(result, isNew: false);
            if (changes.Count == 0)
                throw new CliException(ExitCodes.Usage, "Nothing is to change: name a setting, or take one away with --unset.");
            Write(await ServerCall.AskAsync(common, result, api => api.SetCacheAsync(result.GetRequiredValue(name), changes,
                cancellationToken)), result.GetValue(json));
        });
        return command;
    }

    private static Command Delete(CommonOptions common)
    {
        var name = Name();
        var force = new Option<bool>("--force") { Description = "With all that it has." };
        var command = new Command("delete", "End a cache. What it has is deleted in the background.") { name, force };
        command.SetAction(async (result, cancellationToken) =>
        {
            var cache = result.GetRequiredValue(name);
            await ServerCall.AskAsync(common, result, async api =>
            {
                await api.DeleteCacheAsync(cache, result.GetValue(force), cancellationToken);
                return true;
            });
            Console.Out.WriteLine($"{cache}: nobody is served it any more, and what it has is being deleted");
        });
        return command;
    }

    private static Argument<string> Name()
    {
        var name = new Argument<string>("NAME") { Description = "The cache." };
        name.Validators.Add(static result =>
        {
            if (result.Tokens is [var only] && !CacheName.TryParse(only.Value, out _))
                result.AddError($"'{only.Value}' is not the name of a cache: 1 to 63 characters of a-z, 0-9 and '-' are wanted.");
        });
        return name;
    }

    private static Option<bool> Json() => new("--json") { Description = "Print the answer of the server as JSON." };

    private static string[] Row(CacheDescription cache) =>
    [
        cache.Name, cache.Settings.IsPrivate ? "private" : "public",
        cache.Settings.Priority?.ToString(CultureInfo.InvariantCulture) ?? "", cache.Settings.Verify ?? "",
        cache.Substituter?.OriginalString ?? "",
        cache.Deleting is { } since ? $"being deleted since {Text.Time(since)}" : cache.Trouble is { } trouble ? $"not served: {trouble}"
            : cache.Declared ? "declared" : "",
    ];

    private static void Write(CacheDescription cache, bool asJson)
    {
        if (asJson)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(cache, ProtocolJson.Default.CacheDescription));
            return;
        }

        Line("cache", cache.Name);
        Line("substituter", cache.Substituter?.OriginalString);
        foreach (var key in cache.PublicKeys)
            Line("public key", key);
        var settings = (JsonObject)JsonSerializer.SerializeToNode(cache.Settings, ProtocolJson.Default.CacheSettings)!;
        foreach (var (name, value) in settings)
            Line(name, value is JsonArray list ? string.Join(' ', list.Select(v => v?.ToString())) : value?.ToString());
        if (cache.UsedBytes is { } bytes)
            Line("used", $"{Text.Bytes(bytes)}, {Text.Count(cache.UsedPaths ?? 0, "path")}");
        if (cache.Declared)
            Line("declared", "in the servers' file of caches, which alone changes it");
        if (cache.Deleting is { } since)
            Line("deleting", $"since {Text.Time(since)}");
        Line("trouble", cache.Trouble);
        Line("exposed", cache.Exposure);

        static void Line(string name, string? value)
        {
            if (value is not null)
                Console.Out.WriteLine($"{name,-24} {value}");
        }
    }

    /// <summary>The options of settings.</summary>
    private sealed class SettingsOptions
    {
        private readonly Option<bool> _private = new("--private") { Description = "Reads need a credential for this cache." };
        private readonly Option<bool> _public = new("--public") { Description = "They do not." };
        private readonly Option<string> _stageOf = Text("--stage-of", "CACHE",
            "It is a stage of that cache: private, and what is public there is not uploaded again.");
        private readonly Option<int?> _agreement = NumberOption.Create("--agreement", 2, 100,
            "Of a stage: what so many voters say alike goes to the cache that it is a stage of.");
        private readonly Option<string[]> _promotionKeys = new("--promotion-key")
        {
            Description = "Of a stage: what this key has signed goes there too; repeatable.",
            HelpName = "NAME:BASE64",
        };
        private readonly Option<string[]> _upstreams = new("--upstream")
        {
            Description = "A cache whose paths count as there, with the keys that sign them; repeatable.",
            HelpName = "'URL KEY…'",
        };
        private readonly Option<bool> _upstreamPins = new("--upstream-pins")
        {
            Description = "Pins may keep closures that only an upstream completes.",
        };
        private readonly Option<int?> _priority = NumberOption.Create("--priority", 0, int.MaxValue, "Nix asks the lowest first.");
        private readonly Option<string[]> _hosts = new("--host") { Description = "A host name of its own; repeatable.", HelpName = "HOST" };
        private readonly Option<string> _bucket = Text("--bucket", "NAME", "Another bucket at the server's endpoint.");
        private readonly Option<string> _prefix = Text("--prefix", "PREFIX", "Begins its keys in the bucket.");
        private readonly Option<string> _schedule = Text("--gc-schedule", "CRON", "When garbage is collected, or 'off'.");
        private readonly Option<string> _older = Text("--gc-older-than", "TIME", "How long a closure is kept.");
        private readonly Option<string> _failed = Text("--gc-failed-uploads-older-than", "TIME", "How long a silent push keeps its uploads.");
        private readonly Option<string> _grace = Text("--gc-grace", "TIME", "From being noticed to being deleted.");
        private readonly Option<string> _verify = Text("--verify", "POLICY", "adopt, always or off.");
        private readonly Option<long?> _bytes = NumberOption.Create("--quota-bytes", 1, long.MaxValue, "The most bytes that it may have.");
        private readonly Option<long?> _paths = NumberOption.Create("--quota-paths", 1, long.MaxValue, "The most paths that it may have.");
        private readonly Option<string[]> _unset = new("--unset")
        {
            Description = "Take a setting away, so that it is as the server's own options say; repeatable.",
            HelpName = "SETTING",
        };

        public void AddTo(Command command)
        {
            foreach (var option in (Option[])[_private, _public, _agreement, _promotionKeys, _priority, _hosts, _bucket, _prefix, _schedule,
                _older, _failed, _grace, _verify, _upstreams, _upstreamPins, _bytes, _paths])
                command.Options.Add(option);
            command.Options.Add(command.Name == "set" ? _unset : _stageOf);
        }

        public JsonObject Read(ParseResult result, bool isNew)
        {
            if (result.GetValue(_private) && result.GetValue(_public))
                throw new CliException(ExitCodes.Usage, "--private and --public exclude each other: give one of them.");
            var settings = new JsonObject();
            if (result.GetValue(_private) || result.GetValue(_public))
                settings["private"] = result.GetValue(_private);
            if (result.GetValue(_upstreamPins))
                settings["upstreamPins"] = true;
            foreach (var (member, option) in (ReadOnlySpan<(string, Option<int?>)>)[("agreement", _agreement), ("priority", _priority)])
            {
                if (result.GetValue(option) is { } number)
                    settings[member] = number;
            }

            foreach (var (member, option) in (ReadOnlySpan<(string, Option<string[]>)>)[("promotionKeys", _promotionKeys),
                ("hosts", _hosts), ("upstreams", _upstreams)])
            {
                if (result.GetValue(option) is { Length: > 0 } list)
                    settings[member] = new JsonArray([.. list.Select(v => (JsonNode)v)]);
            }

            foreach (var (member, option) in (ReadOnlySpan<(string, Option<string>)>)[("bucket", _bucket), ("prefix", _prefix),
                ("stageOf", _stageOf), ("gcSchedule", _schedule), ("gcOlderThan", _older), ("gcFailedUploadsOlderThan", _failed),
                ("gcGrace", _grace), ("verify", _verify)])
            {
                if (result.GetResult(option) is not null && result.GetValue(option) is { } text)
                    settings[member] = text;
            }

            foreach (var (member, option) in (ReadOnlySpan<(string, Option<long?>)>)[("quotaBytes", _bytes), ("quotaPaths", _paths)])
            {
                if (result.GetValue(option) is { } number)
                    settings[member] = number;
            }

            foreach (var member in isNew ? [] : result.GetValue(_unset) ?? [])
            {
                settings[CacheSettings.Members.Contains(member, StringComparer.Ordinal) ? member
                    : throw new CliException(ExitCodes.Usage,
                        $"'{member}' is no setting; {string.Join(", ", CacheSettings.Members)} are.")] = null;
            }

            return settings;
        }

        private static Option<string> Text(string name, string value, string description) =>
            new(name) { Description = description, HelpName = value };
    }
}
