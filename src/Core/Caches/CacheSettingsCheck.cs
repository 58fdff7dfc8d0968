using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Collect.Schedule;
using OrleansCache.Core.Common;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>What is wrong with settings, before anybody has them.</summary>
public static class CacheSettingsCheck
{
    private const int MaxHosts = 100;
    private const int MaxUpstreams = 10;
    private const int MaxVotes = 100;
    private const int MaxPromotionKeys = 100;
    private const string Off = "off";

    /// <summary>How long a stage keeps a closure, where it does not say.</summary>
    public static readonly TimeSpan StageLife = TimeSpan.FromDays(7);

    /// <summary>The options of the collector: those of the settings, else the server's.</summary>
    public static GcOptions GcOf(CacheSettings settings, GcOptions server) => server with
    {
        Schedule = settings.GcSchedule switch { null => server.Schedule, Off => null, var own => own },
        OlderThan = Duration(settings.GcOlderThan, settings.StageOf is null ? server.OlderThan : StageLife, "gcOlderThan"),
        FailedUploadsOlderThan = Duration(settings.GcFailedUploadsOlderThan, server.FailedUploadsOlderThan, "gcFailedUploadsOlderThan"),
        Grace = Duration(settings.GcGrace, server.Grace, "gcGrace"),
    };

    /// <summary>The policy of verification: that of the settings, else the server's.</summary>
    public static VerifyPolicy PolicyOf(CacheSettings settings, VerifyPolicy server) => settings.Verify switch
    {
        null => settings.IsPromotedFrom ? VerifyPolicy.Always : server,
        "adopt" => VerifyPolicy.Adopt,
        "always" => VerifyPolicy.Always,
        "off" => VerifyPolicy.Off,
        var other => throw Bad("verify", $"is '{other}': adopt, always or off is wanted"),
    };

    /// <summary>The upstreams: those that the settings name, asked as the server asks its own.</summary>
    public static UpstreamOptions UpstreamsOf(CacheSettings settings, UpstreamOptions server)
    {
        if (settings.Upstreams is { Count: > MaxUpstreams })
            throw Bad("upstreams", $"is a list of at most {MaxUpstreams} caches");
        if (settings is { Upstreams.Count: > 0, StageOf: not null })
            throw Bad("upstreams", "is no setting of a stage, as what leaves it has to be whole there");
        return server with
        {
            Upstreams = [.. (settings.Upstreams ?? []).Select(text => Upstream.TryParse(text, out var upstream, out var error) ? upstream
                : throw Bad("upstreams", error))],
            AllowsPins = settings.UpstreamPins == true,
        };
    }

    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>: which member is wrong, and what is wanted.</exception>
    /// <param name="settings">The settings.</param>
    /// <param name="fromFile">They may name files of keys.</param>
    public static void Check(CacheSettings settings, bool fromFile)
    {
        _ = GcOf(settings, new GcOptions());
        _ = PolicyOf(settings, VerifyPolicy.Off);
        _ = UpstreamsOf(settings, new UpstreamOptions());
        if (settings.GcSchedule is { } schedule and not Off && !CronSchedule.TryParse(schedule, out _, out var error))
            throw Bad("gcSchedule", $"'{schedule}' {error}");
        if (settings.StageOf is { } parent && !CacheName.TryParse(parent, out _))
            throw Bad("stageOf", $"is '{parent}', which is not the name of a cache");
        if (settings is { StageOf: not null, Private: false })
            throw Bad("private", "is not false of a stage: only who may read it learns of what it holds");
        if (settings is { StageOf: null, IsPromotedFrom: true })
            throw Bad(settings.Agreement is null ? "promotionKeys" : "agreement", "is a setting of a stage: give stageOf, too");
        if (settings.Agreement is < 2 or > MaxVotes)
            throw Bad("agreement", $"is the number of voters who have to say the same, from 2 to {MaxVotes}");
        if (settings.IsPromotedFrom && PolicyOf(settings, VerifyPolicy.Always) != VerifyPolicy.Always)
            throw Bad("verify", "is 'always' of a stage with agreement or promotionKeys, as only NARs that a server has read leave it " +
                "by themselves: leave it out");
        if (settings.PromotionKeys is { } promotionKeys
            && (promotionKeys.Count is 0 or > MaxPromotionKeys || promotionKeys.Any(k => !PublicKey.TryParse(k, out _))))
            throw Bad("promotionKeys", $"is a list of 1 to {MaxPromotionKeys} public keys, each name:base64, as 'nix key " +
                "convert-secret-to-public' prints");
        if (settings.Priority is < 0)
            throw Bad("priority", "is a number from 0; Nix asks the cache of the lowest first");
        if (settings.QuotaBytes is <= 0 || settings.QuotaPaths is <= 0)
            throw Bad(settings.QuotaBytes is <= 0 ? "quotaBytes" : "quotaPaths", "is a number from 1; leave it out for none");
        if (settings.Hosts is { } hosts && (hosts.Count > MaxHosts || hosts.Any(h => !IsHost(h))))
            throw Bad("hosts", $"is a list of at most {MaxHosts} names of hosts, such as cache.example.org, each with its port if " +
                "that is not the usual one");
        if (settings.Bucket is { } bucket && !IsBucket(bucket))
            throw Bad("bucket", $"is '{bucket}': 3 to 63 characters of a-z, 0-9, '.' and '-' are wanted");
        if (settings.Keys?.Any(string.IsNullOrWhiteSpace) == true)
            throw Bad("keys", "is a list of files");
        if (settings.Keys is not null && !fromFile)
            throw Bad("keys", "names files of the servers, so only a file of caches (--caches) may: the server makes a key itself");
    }

    /// <summary>Settings with some members changed; null takes one away.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>, or <see cref="ProblemKind.Forbidden"/>: a member that
    /// only operators change.</exception>
    public static CacheSettings Merge(CacheSettings settings, JsonObject changes, bool isOperator)
    {
        var merged = (JsonObject)JsonSerializer.SerializeToNode(settings, ProtocolJson.Default.CacheSettings)!;
        foreach (var (name, value) in MembersOf(changes))
        {
            if (!isOperator && CacheSettings.OperatorMembers.Contains(name, StringComparer.Ordinal))
                throw new CacheProblemException(ProblemKind.Forbidden,
                    $"The token is for this cache alone, and {name} concerns others too: ask an operator, who has a token for all.");
            merged[name] = value?.DeepClone();
        }

        return Read(merged);
    }

    /// <summary>Settings from JSON, all of whose members must be known.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.BadRequest"/>.</exception>
    public static CacheSettings Read(JsonObject json)
    {
        if (MembersOf(json).Find(m => !CacheSettings.Members.Contains(m.Key, StringComparer.Ordinal)).Key is { } unknown)
            throw Bad($"'{unknown}'", $"is no setting; {string.Join(", ", CacheSettings.Members)} are");
        try
        {
            return json.Deserialize(ProtocolJson.Default.CacheSettings)!;
        }
        catch (JsonException e)
        {
            var member = e.Path?.TrimStart('$', '.');
            throw Bad(member is { Length: > 0 } ? member : "A setting", "is of another type than this setting has");
        }
    }

    // A name that is there twice shows only when somebody looks.
    private static List<KeyValuePair<string, JsonNode?>> MembersOf(JsonObject json)
    {
        try
        {
            return [.. json];
        }
        catch (ArgumentException e)
        {
            throw new CacheProblemException(ProblemKind.BadRequest, "A setting is there twice.", inner: e);
        }
    }

    private static bool IsBucket(string text) => text.Length is >= 3 and <= 63
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '-');

    private static bool IsHost(string? text) => text is { Length: > 0 and <= 260 } && Uri.TryCreate($"http://{text}/", UriKind.Absolute,
        out var url) && url.Authority.Equals(text, StringComparison.OrdinalIgnoreCase);

    private static TimeSpan Duration(string? text, TimeSpan otherwise, string name) => text is null ? otherwise
        : DurationText.TryParse(text, out var duration, out var error) ? duration : throw Bad(name, error);

    private static CacheProblemException Bad(string what, string why) => new(ProblemKind.BadRequest, $"{what} {why}.");
}
