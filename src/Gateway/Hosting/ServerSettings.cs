using System.Globalization;
using System.Net;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Http;
using OrleansCache.Nix;
using OrleansCache.Silo;

namespace OrleansCache.Gateway.Hosting;

/// <summary>How a server runs, checked as far as possible without starting anything. <c>docs/server.md</c> explains each setting.</summary>
public sealed record ServerSettings
{
    private const int MaxAuditDays = 36_500;
    private static readonly string[] SecretFiles = ["token-file", "s3-secret-key-file", "s3-upload-secret-key-file"];
    private static readonly TimeSpan MaxDrain = TimeSpan.FromMinutes(10);

    public string DataPath => GivenData ?? DataDirectory.DefaultPath();

    /// <summary>The data directory that was named; null: the default one.</summary>
    public string? GivenData { get; init; }

    public required IPEndPoint Listen { get; init; }

    /// <summary>Null: <c>http://</c> and the listening address.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>Null: a private PostgreSQL in the data directory.</summary>
    public string? Postgres { get; init; }

    /// <summary>Null: a folder in the data directory.</summary>
    public S3Settings? S3 { get; init; }

    /// <summary>Null: the data directory's key, made on first use. Empty: none.</summary>
    public IReadOnlyList<SecretKey>? SigningKeys { get; init; }

    public IReadOnlyList<PublicKey> TrustedKeys { get; init; } = [];

    /// <summary>Null: the data directory's token, made on first use.</summary>
    public string? TokenFile { get; init; }

    /// <summary>The file of issuers and their rules; null: the server knows no issuer.</summary>
    public string? AccessFile { get; init; }

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
        var signKeys = many("sign-key");
        var noSign = Flag("no-sign", one);
        if (noSign && signKeys.Count > 0)
            throw new StartupException("--sign-key and --no-sign exclude each other: give one of them.");
        var onlyMigrates = Flag("migrate", one);
        return new ServerSettings
        {
            GivenData = one("data"),
            Listen = listen,
            PublicUrl = publicUrl,
            Postgres = one("postgres") is { } postgres ? PostgresAddress.Parse(postgres) : null,
            S3 = S3Settings.From(one),
            SigningKeys = noSign ? [] : signKeys.Count > 0 ? [.. signKeys.Select(ReadSigningKey)] : null,
            TrustedKeys = [.. many("trusted-public-key").Select(ParseTrustedKey)],
            TokenFile = one("token-file"),
            AccessFile = one("access"),
            Priority = one("priority") is { } priority ? ParsePriority(priority) : 40,
            Gc = GcSettings.From(one),
            Quotas = QuotaSettings.From(one),
            AuditLife = one("audit-days") is { } days ? ParseDays(days) : TimeSpan.FromDays(400),
            Limits = LimitSettings.From(one),
            IsPrivate = Flag("private", one),
            DistrustsLegacy = Flag("distrust-legacy", one),
            Verify = VerifySettings.From(one),
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

    private static IEnumerable<string> FindOpen(string option, IEnumerable<string> paths) =>
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

    private static PublicKey ParseTrustedKey(string text) => PublicKey.TryParse(text, out var key)
        ? key
        : throw new StartupException($"--trusted-public-key is '{text}': name:base64 is wanted, as in trusted-public-keys of nix.conf.");
}

/// <summary>A bucket and how to reach it.</summary>
public sealed record S3Settings
{
    public required string Bucket { get; init; }

    public Uri? Endpoint { get; init; }

    /// <summary>The endpoint that clients upload to; null: <see cref="Endpoint"/>.</summary>
    public Uri? UploadEndpoint { get; init; }

    public string Region { get; init; } = "us-east-1";

    public string Prefix { get; init; } = "";

    /// <summary>Null: path style with an endpoint only.</summary>
    public bool? PathStyle { get; init; }

    public string? AccessKey { get; init; }

    public string? SecretKey { get; init; }

    /// <summary>The access key that signs clients' URLs; null: the server's own.</summary>
    public string? UploadAccessKey { get; init; }

    public string? UploadSecretKey { get; init; }

    internal static S3Settings? From(Func<string, string?> one)
    {
        string[] others = ["s3-endpoint", "s3-upload-endpoint", "s3-region", "s3-prefix", "s3-path-style", "s3-access-key-file",
            "s3-secret-key-file", "s3-upload-access-key-file", "s3-upload-secret-key-file"];
        if (one("s3-bucket") is not { } bucket)
        {
            return others.FirstOrDefault(name => one(name) is not null) is { } lonely
                ? throw new StartupException($"--{lonely} is given without --s3-bucket: name the bucket too.")
                : null;
        }

        var access = one("s3-access-key-file");
        var secret = one("s3-secret-key-file");
        if (access is null != secret is null)
            throw new StartupException(
                "--s3-access-key-file and --s3-secret-key-file belong together: give both, or neither to use the environment's credentials.");
        var uploadAccess = one("s3-upload-access-key-file");
        var uploadSecret = one("s3-upload-secret-key-file");
        if (uploadAccess is null != uploadSecret is null)
            throw new StartupException(
                "--s3-upload-access-key-file and --s3-upload-secret-key-file belong together: give both, or neither to sign upload URLs " +
                "with the server's own key.");
        return new S3Settings
        {
            Bucket = bucket,
            Endpoint = one("s3-endpoint") is { } endpoint ? ParseEndpoint("--s3-endpoint", endpoint, bucket) : null,
            UploadEndpoint = one("s3-upload-endpoint") is { } upload ? ParseEndpoint("--s3-upload-endpoint", upload, bucket) : null,
            Region = one("s3-region") ?? "us-east-1",
            Prefix = ParsePrefix(one("s3-prefix") ?? ""),
            PathStyle = one("s3-path-style") is null ? null : ServerSettings.Flag("s3-path-style", one),
            AccessKey = access is null ? null : ServerSettings.ReadText("--s3-access-key-file", access),
            SecretKey = secret is null ? null : ServerSettings.ReadText("--s3-secret-key-file", secret),
            UploadAccessKey = uploadAccess is null ? null : ServerSettings.ReadText("--s3-upload-access-key-file", uploadAccess),
            UploadSecretKey = uploadSecret is null ? null : ServerSettings.ReadText("--s3-upload-secret-key-file", uploadSecret),
        };
    }

    private static Uri ParseEndpoint(string option, string text, string bucket)
    {
        var url = ServerSettings.ParseUrl(option, text);
        return url.AbsolutePath.TrimEnd('/').EndsWith($"/{bucket}", StringComparison.Ordinal)
            ? throw new StartupException(
                $"{option} is '{text}', which ends with the bucket: give the URL of the store alone, " +
                $"{url.AbsoluteUri.TrimEnd('/')[..^(bucket.Length + 1)]}; --s3-bucket names the bucket.")
            : url;
    }

    // Some servers take an empty name between slashes for a key of its own, others do not.
    private static string ParsePrefix(string text) => text.StartsWith('/') || text.Contains("//", StringComparison.Ordinal)
        ? throw new StartupException(
            $"--s3-prefix is '{text}': keys begin with a name, not with a slash. Give " +
            $"'{string.Join('/', text.Split('/', StringSplitOptions.RemoveEmptyEntries))}'.")
        : text;
}
