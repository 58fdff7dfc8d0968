using System.CommandLine;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// The flags of a server. A flag that is absent is read from the environment: <c>ORLEANS_CACHE_S3_BUCKET</c> for <c>--s3-bucket</c>,
/// <c>ORLEANS_CACHE_SERVER_TOKEN_FILE</c> for <c>--token-file</c>.
/// </summary>
public sealed class CommandLine
{
    /// <summary>The program's name, for messages.</summary>
    public const string Program = "orleans-cache-server";

    private const string Prefix = "ORLEANS_CACHE_";

    private readonly Dictionary<string, Option<string?>> _values = [];
    private readonly Dictionary<string, (Option<string[]> Option, char Separator)> _lists = [];
    private readonly Dictionary<string, Option<bool?>> _flags = [];

    public CommandLine()
    {
        Root = new RootCommand(
            "Serves a Nix binary cache and its write path. Without options: a private PostgreSQL and the objects in one directory, on 127.0.0.1:5751.");
        Value("data", "DIR",
            "Keys, token, and the private PostgreSQL and objects (default: /var/lib/orleans-cache as root, else " +
            "~/.local/state/orleans-cache)");
        Value("listen", "ADDR:PORT", "Where to listen; port 0 takes a free one (default: 127.0.0.1:5751)");
        Value("public-url", "URL", "What clients reach this server under (default: the address listened on)");
        Value("tls-cert", "FILE", "Serve HTTPS with this certificate, PEM; read again when it is renewed (default: plain HTTP)");
        Value("tls-key", "FILE", "Its key, PEM");
        Value("tls-client-ca", "FILE",
            "Ask clients for certificates of this authority, PEM, and let them in by the rules of --access (default: none is asked for)");
        Value("proxy-address", "CIDR[,…]",
            "Proxies before this server: what they say in X-Forwarded-For of the client's address is believed (default: none is)");
        Value("proxy-cert-header", "NAME",
            "The header in which these proxies pass on the client's certificate: percent-encoded PEM, or as in RFC 9440");
        Value("postgres", "CONNSTRING",
            "Use this PostgreSQL, such as 'Host=db;Username=cache;Database=cache' or 'postgres://cache@db/cache'");
        Value("s3-bucket", "NAME", "Keep the objects in this bucket");
        Value("s3-endpoint", "URL", "The S3 server (default: Amazon's of the region)");
        Value("s3-upload-endpoint", "URL",
            "The S3 server as clients reach it, for the URLs that they upload to and read from (default: --s3-endpoint)");
        Value("s3-region", "NAME", "The bucket's region (default: us-east-1)");
        Value("s3-prefix", "PREFIX", "Begins every key in the bucket");
        Flag("s3-path-style", "Name the bucket in the path (default: with --s3-endpoint)");
        Value("s3-access-key-file", "FILE", "The access key; without it the environment, profile or instance role");
        Value("s3-secret-key-file", "FILE", "The secret key");
        Value("s3-upload-access-key-file", "FILE",
            "The access key that signs the URLs that clients upload to; it may only put below nar/ (default: the server's own)");
        Value("s3-upload-secret-key-file", "FILE", "The secret key that belongs to it");
        Value("s3-read-access-key-file", "FILE",
            "Send readers to the bucket for NARs, by URLs that this access key signs; it may only get below nar/ (default: through the server)");
        Value("s3-read-secret-key-file", "FILE", "The secret key that belongs to it");
        List("sign-key", "FILE", "Sign with this key of 'nix key generate-secret'; repeatable (default: a key made in the data directory)");
        List("sign-command", "COMMAND", "Sign with the key that this command has, for the shell; repeatable (in the environment: a line each)",
            '\n');
        Flag("no-sign", "Sign nothing");
        List("trusted-public-key", "KEY", "Keep clients' signatures by this key when they are valid; repeatable");
        Value("token-file", "FILE", "Tokens that may write, one a line (default: one made in the data directory)");
        Value("access", "FILE", "Issuers of OIDC tokens, and the rules by which these are let in (default: none is)");
        Value("caches", "FILE", "Caches beside the default one, and their settings (default: those that were made over HTTP)");
        Value("priority", "N", "This cache's priority; Nix asks the lowest first (default: 40)");
        Value("gc-schedule", "CRON", "Collect garbage by this cron expression, in UTC, such as '30 3 * * *' (default: only when asked)");
        Value("gc-jitter", "TIME", "A scheduled run begins up to this much later (default: 5m)");
        Value("gc-older-than", "TIME", "A closure that was not pushed for this long is no longer kept (default: 720h)");
        Value("gc-failed-uploads-older-than", "TIME", "Uploads of a push that was silent for this long are deleted (default: 6h)");
        Value("gc-grace", "TIME", "What is not kept is deleted so long after this was noticed (default: 6h)");
        Value("audit-days", "N", "Keep the audit log for so many days; 0: for ever (default: 400)");
        foreach (var (whose, of) in (ReadOnlySpan<(string, string)>)[("quota", "a publisher"),
            ("quota-group", "the publishers of a trust group together")])
        {
            Value($"{whose}-pushes", "N", $"Open pushes of {of}; 0: any number (default: 0)");
            Value($"{whose}-uploads-gib", "N", $"NARs that open pushes of {of} upload; 0: any size (default: 0)");
            Value($"{whose}-stored-gib", "N", $"Published NARs of {of}; 0: any size (default: 0)");
            Value($"{whose}-roots", "N", $"Kept closures of {of}; 0: any number (default: 0)");
        }

        Value("limit-json-mib", "N", "The largest JSON body, once decompressed (default: 128)");
        Value("limit-body-memory-mib", "N", "Memory for all bodies that are kept whole; who finds it full waits (default: 128)");
        Value("limit-paths", "N", "Paths of one push (default: 100000)");
        Value("limit-references", "N", "References of one path; of a push a hundred times as many (default: 20000)");
        Value("limit-header-bytes", "N", "All headers of a request together (default: 32768)");
        Value("limit-headers", "N", "Headers of a request (default: 100)");
        Value("limit-url-bytes", "N", "The first line of a request (default: 8192)");
        Value("limit-connections", "N", "Connections at one time, of HTTP/2 with up to 16 requests each (default: 10000)");
        Value("limit-requests", "N", "Requests per second of one token; 0: any number (default: 5000)");
        Value("limit-request-burst", "N", "Requests of one token that may come at once (default: four times --limit-requests)");
        Value("limit-failed-logins", "N", "Requests with an unknown token of one address in ten seconds; 0: any number (default: 200)");
        Value("limit-uploads", "N", "Uploads through this server at one time; others wait (default: 512)");
        Value("limit-uploads-per-client", "N", "The same of one token or push (default: 256)");
        Value("limit-slowest-bytes", "N", "Bytes per second below which a body or an answer is cut off (default: 240)");
        Value("limit-stall", "TIME", "How long a client may stand still (default: 30s)");
        Flag("private", "Reads need a token too");
        Flag("distrust-legacy",
            "Nobody relies on what was published before there were publishers until a server has read it; the same for all servers of a database");
        Value("verify", "adopt|always|off",
            "What a server reads in the store before it is relied on: what another trust group brought, all that is signed, or nothing; " +
            "the same for all servers of a database (default: adopt)");
        List("upstream", "'URL KEY…'",
            "A cache whose paths pushes need not bring, with the keys that sign them; repeatable (in the environment: a line each)", '\n');
        Flag("upstream-pins", "Pins may keep closures that only an upstream completes");
        Flag("verify-here", "Read in the store although --no-silo is given (default: what nobody has read for 30 s)");
        Value("scrub-rate", "N", "Bytes a second, in KiB, of what is published that all servers together read again; 0: none (default: 4096)");
        Value("drain-delay", "TIME", "At SIGTERM, take requests for so long while /readyz says that the server is stopping (default: 0s)");
        Value("log", "json|text", "The form of the log on standard error (default: text)");
        Value("cluster-id", "NAME", "Be a member of this cluster: servers of one name on one PostgreSQL (default: a cluster of one)");
        Value("silo-address", "IP",
            "Where the other members reach this one (default: loopback when --listen is, else this host's first address)");
        Value("silo-port", "N", "The port for the other members; 0 takes a free one (default: 11111)");
        Value("silo-tls-cert", "FILE", "Certificate of this member, PEM: members talk TLS and show each other certificates");
        Value("silo-tls-key", "FILE", "Its key, PEM");
        Value("silo-tls-ca", "FILE", "Certificates of whoever signs the members' certificates, PEM");
        Flag("silo-plain", "Members talk in the clear: where nobody else reaches their ports");
        Flag("no-silo", "Be a gateway alone, as in a remote region: no grains, and no schedule");
        Flag("dashboard", "The Orleans Dashboard at /dashboard (default: with --cluster-id)");
        Flag("migrate", "Bring the database up to date, say what was done, and exit");
    }

    public RootCommand Root { get; }

    /// <summary>The server's settings, which every program has.</summary>
    /// <exception cref="StartupException">Something is unknown, incomplete or wrong.</exception>
    public ServerSettings Settings(ParseResult parsed, Func<string, string?> environment) =>
        ServerSettings.From(Values(parsed, environment));

    /// <summary>The options that were given, by name.</summary>
    /// <exception cref="StartupException">Something is unknown or incomplete.</exception>
    public GivenOptions Values(ParseResult parsed, Func<string, string?> environment)
    {
        if (parsed.Errors.Count > 0)
            throw new StartupException($"{parsed.Errors[0].Message.TrimEnd('.')}; '{Program} --help' lists the options.");
        return new GivenOptions(
            name => _flags.TryGetValue(name, out var flag)
                ? parsed.GetValue(flag) is { } set ? set ? "true" : "false" : FromEnvironment(name)
                : parsed.GetValue(_values[name]) ?? FromEnvironment(name),
            name => parsed.GetValue(_lists[name].Option) is { Length: > 0 } given ? given
                : FromEnvironment(name)?.Split(_lists[name].Separator, StringSplitOptions.RemoveEmptyEntries) ?? []);

        string? FromEnvironment(string name) => environment(VariableOf(name)) is { Length: > 0 } value ? value : null;
    }

    /// <summary>
    /// The variable that a flag is read from. The client's token file has one of that form, and whoever pushes must not become a server's
    /// master by it.
    /// </summary>
    public static string VariableOf(string name) =>
        $"{Prefix}{(name == "token-file" ? "SERVER_" : "")}{name.Replace('-', '_').ToUpperInvariant()}";

    private void Value(string name, string placeholder, string description) =>
        _values[name] = Add(new Option<string?>("--" + name) { HelpName = placeholder, Description = description });

    // In the environment a list is one text.
    private void List(string name, string placeholder, string description, char separator = ' ') =>
        _lists[name] = (Add(new Option<string[]>("--" + name) { HelpName = placeholder, Description = description }), separator);

    private void Flag(string name, string description) =>
        _flags[name] = Add(new Option<bool?>("--" + name) { Description = description, Arity = ArgumentArity.ZeroOrOne });

    private T Add<T>(T option) where T : Option
    {
        Root.Options.Add(option);
        return option;
    }
}

/// <summary>The options by their names without dashes, from the command line, else from the environment.</summary>
/// <param name="One">The value of an option; <c>true</c> or <c>false</c> of a flag; null when it was not given.</param>
/// <param name="Many">All values of an option that may be repeated.</param>
public sealed record GivenOptions(Func<string, string?> One, Func<string, IReadOnlyList<string>> Many);
