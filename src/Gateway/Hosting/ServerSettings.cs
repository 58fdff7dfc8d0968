using System.Globalization;
using System.Net;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Upstreams;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Http;
using OrleansCache.Gateway.Tls;
using OrleansCache.Nix;
using OrleansCache.Silo;

namespace OrleansCache.Gateway.Hosting;

/// <summary>How a server runs, checked as far as possible without starting anything. <c>docs/server.md</c> explains each setting.</summary>
public sealed record ServerSettings
{
    private const int MaxAuditDays = 36_500;
    private static readonly string[] SecretFiles =
        ["token-file", "s3-secret-key-file", "s3-upload-secret-key-file", "s3-read-secret-key-file", "tls-key"];
    private static readonly TimeSpan MaxDrain = TimeSpan.FromMinutes(10);

    public string DataPath => GivenData ?? DataDirectory.DefaultPath();

    /// <summary>The data directory that was named; null: the default one.</summary>
    public string? GivenData { get; init; }

    public required IPEndPoint Listen { get; init; }

    /// <summary>Null: plain HTTP.</summary>
    public TlsSettings? Tls { get; init; }

    /// <summary>The authority whose clients' certificates count; null: none do.</summary>
    public string? ClientAuthorityFile { get; init; }

    /// <summary>The proxies that are believed; null: none is.</summary>
    public ProxySettings? Proxy { get; init; }

    /// <summary>Null: <c>http://</c>, or <c>https://</c> with <see cref="Tls"/>, and the listening address.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>Null: a private PostgreSQL in the data directory.</summary>
    public string? Postgres { get; init; }

    /// <summary>Null: a folder in the data directory.</summary>
    public S3Settings? S3 { get; init; }

    /// <summary>Null: the data directory's key, made on first use. Empty: none.</summary>
    public IReadOnlyList<SecretKey>? SigningKeys { get; init; }

    /// <summary>Programs that have further keys, for the shell.</summary>
    public IReadOnlyList<string> SigningCommands { get; init; } = [];

    public IReadOnlyList<PublicKey> TrustedKeys { get; init; } = [];

    /// <summary>Null: the data directory's token, made on first use.</summary>
    public string? TokenFile { get; init; }

    /// <summary>The file of issuers and their rules; null: the server knows no issuer.</summary>
    public string? AccessFile { get; init; }

    /// <summary>The file of caches beside the default one; null: there is none.</summary>
    public string? CachesFile { get; init; }

    public int Priority { get; init; } = 40;

    /// <summary>Retention, and the schedule of the collector.</summary>
    public GcOptions Gc { get; init; } = new();

    /// <summary>The quotas of a publisher and of a trust group.</summary>
    public Quotas Quotas { get; init; } = new();

    /// <summary>How long lines of the audit log are kept; null: for ever.</summary>
    public TimeSpan? AuditLife { get; init; } = TimeSpan.FromDays(400);

    /// <summary>The most that a client may ask for.</summary>
    public RequestLimits Limits { get; init; } = new();

    public bool IsPrivate { get; init; }

    /// <summary>Content from before there were publishers is usable for nobody until a server has read it.</summary>
    public bool DistrustsLegacy { get; init; }

    /// <summary>What is read in the store before it is relied on.</summary>
    public VerifyOptions Verify { get; init; } = new();

    /// <summary>The upstreams of the default cache.</summary>
    public UpstreamOptions Upstreams { get; init; } = new();

    /// <summary>How long the server, no longer ready, still takes requests after SIGTERM.</summary>
    public TimeSpan DrainDelay { get; init; }

    public bool LogsJson { get; init; }

    /// <summary>Files of secrets that everybody on this machine can read, a sentence each.</summary>
    public IReadOnlyList<string> OpenSecrets { get; init; } = [];

    /// <summary>The silo of this server; null: none.</summary>
    public CacheSiloOptions? Silo { get; init; }

    /// <summary>Bring the database up to date and end.</summary>
    public bool OnlyMigrates { get; init; }

    /// <summary>False when the settings name everything that the directory would hold.</summary>
    public bool NeedsDataDirectory => Postgres is null || S3 is null || SigningKeys is null || TokenFile is null;

    /// <exception cref="StartupException">One of them is wrong; the message says which and how.</exception>
    public static ServerSettings From(GivenOptions given)
    {
        var (one, many) = (given.One, given.Many);
        var listen = ParseListen(one("listen") ?? "127.0.0.1:5751");
        var publicUrl = one("public-url") is { } url ? ParseUrl("--public-url", url) : null;
        if (publicUrl is null && (listen.Address.Equals(IPAddress.Any) || listen.Address.Equals(IPAddress.IPv6Any)))
            throw new StartupException(
                $"--listen {listen} takes requests for any address, so say with --public-url what clients reach this server under.");
        var tls = TlsSettings.From(one);
        if (tls is not null && publicUrl?.Scheme == Uri.UriSchemeHttp)
            throw new StartupException(
                $"--public-url is {publicUrl.OriginalString}, and with --tls-cert this server speaks HTTPS alone: write https:// there, as " +
                "clients are sent to that URL.");
        var (signKeys, signCommands) = (many("sign-key"), many("sign-command"));
        var noSign = Flag("no-sign", one);
        if (noSign && signKeys.Count + signCommands.Count > 0)
            throw new StartupException(
                $"--{(signKeys.Count > 0 ? "sign-key" : "sign-command")} and --no-sign exclude each other: give one of them.");
        var onlyMigrates = Flag("migrate", one);
        return new ServerSettings
        {
            GivenData = one("data"),
            Listen = listen,
            Tls = tls,
            ClientAuthorityFile = one("tls-client-ca"),
            Proxy = ProxySettings.From(one),
            PublicUrl = publicUrl,
            Postgres = one("postgres") is { } postgres ? PostgresAddress.Parse(postgres) : null,
            S3 = S3Settings.From(one),
            SigningKeys = noSign ? [] : signKeys.Count + signCommands.Count > 0 ? [.. signKeys.Select(ReadSigningKey)] : null,
            SigningCommands = signCommands,
            TrustedKeys = [.. many("trusted-public-key").Select(ParseTrustedKey)],
            TokenFile = one("token-file"),
            AccessFile = one("access"),
            CachesFile = one("caches"),
            Priority = one("priority") is { } priority ? ParsePriority(priority) : 40,
            Gc = GcSettings.From(one),
            Quotas = QuotaSettings.From(one),
            AuditLife = one("audit-days") is { } days ? ParseDays(days) : TimeSpan.FromDays(400),
            Limits = LimitSettings.From(one),
            IsPrivate = Flag("private", one),
            DistrustsLegacy = Flag("distrust-legacy", one),
            Verify = VerifySettings.From(one),
            Upstreams = new UpstreamOptions
            {
                Upstreams = [.. many("upstream").Select(ParseUpstream)],
                AllowsPins = Flag("upstream-pins", one),
            },
            DrainDelay = one("drain-delay") is { } delay ? ParseDelay(delay) : TimeSpan.Zero,
            OnlyMigrates = onlyMigrates,
            // migrate runs beside a server, so it does not check what is the server's alone, such as a port.
            Silo = onlyMigrates ? null : SiloSettings.From(one, listen.Address),
            OpenSecrets = [.. FindOpen("sign-key", signKeys),
                .. SecretFiles.SelectMany(name => FindOpen(name, one(name) is { } path ? [path] : []))],
            LogsJson = one("log") switch
            {
                null or "text" => false,
                "json" => true,
                var other => throw new StartupException($"--log is '{other}': json or text is wanted."),
            },
        };
    }

    /// <summary>The flag <paramref name="name"/>; false when it was not given.</summary>
    /// <exception cref="StartupException">It is neither true nor false.</exception>
    public static bool Flag(string name, Func<string, string?> one) => one(name) switch
    {
        null or "false" or "0" or "no" => false,
        "true" or "1" or "yes" => true,
        var other => throw new StartupException($"--{name} is '{other}': true or false is wanted."),
    };

    internal static Uri ParseUrl(string option, string text) =>
        Uri.TryCreate(text.TrimEnd('/'), UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Query.Length == 0
            && url.Fragment.Length == 0
            ? url
            : throw new StartupException(
                $"{option} is '{text}': an http or https URL without query is wanted, such as https://cache.example.org.");

    internal static string ReadText(string option, string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The file {path} of {option} cannot be read: {e.Message}", e);
        }
    }

    internal static IEnumerable<string> FindOpen(string option, IEnumerable<string> paths) =>
        paths.Where(path => File.Exists(path) && (File.GetUnixFileMode(path) & UnixFileMode.OtherRead) != 0)
            .Select(path => $"The file {path} of --{option} can be read by everybody on this machine: chmod 600 it.");

    private static IPEndPoint ParseListen(string text)
    {
        var colon = text.LastIndexOf(':');
        var host = colon > 0 ? text[..colon].Trim('[', ']') : "";
        if (host == "localhost")
            host = "127.0.0.1";
        return colon > 0 && IPAddress.TryParse(host, out var address) && int.TryParse(text[(colon + 1)..], NumberStyles.None,
            CultureInfo.InvariantCulture, out var port) && port <= 65535
            ? new IPEndPoint(address, port)
            : throw new StartupException(
                $"--listen is '{text}': an address and a port are wanted, such as 127.0.0.1:5751 or [::1]:5751, with port 0 for any free one.");
    }

    private static int ParsePriority(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var priority)
        ? priority
        : throw new StartupException($"--priority is '{text}': a number from 0 is wanted; Nix asks the cache of the lowest first.");

    private static TimeSpan? ParseDays(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var days)
        && days <= MaxAuditDays
        ? days == 0 ? null : TimeSpan.FromDays(days)
        : throw new StartupException(
            $"--audit-days is '{text}': a number of days up to {MaxAuditDays} is wanted; 0 keeps the audit log for ever.");

    private static TimeSpan ParseDelay(string text) => DurationText.TryParse(text, out var delay, out var error)
        ? delay <= MaxDrain ? delay
            : throw new StartupException($"--drain-delay is '{text}': at most {MaxDrain.TotalMinutes:0}m are wanted.")
        : throw new StartupException($"--drain-delay {error}.");

    private static SecretKey ReadSigningKey(string path) => SecretKey.TryParse(ReadText("--sign-key", path), out var key, out var error)
        ? key
        : throw new StartupException($"The file {path} of --sign-key holds no signing key: {error}.");

    private static Upstream ParseUpstream(string text) => Upstream.TryParse(text, out var upstream, out var error) ? upstream
        : throw new StartupException($"--upstream {error}.");

    private static PublicKey ParseTrustedKey(string text) => PublicKey.TryParse(text, out var key)
        ? key
        : throw new StartupException($"--trusted-public-key is '{text}': name:base64 is wanted, as in trusted-public-keys of nix.conf.");
}
