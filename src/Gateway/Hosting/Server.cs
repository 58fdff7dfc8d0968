using System.Net;
using System.Net.Sockets;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Embedded;
using OrleansCache.Gateway.Oidc;
using OrleansCache.Gateway.Operations;
using OrleansCache.Gateway.Parts;
using OrleansCache.Gateway.Tls;
using OrleansCache.Grains;
using OrleansCache.Nix;
using OrleansCache.Silo;

namespace OrleansCache.Gateway.Hosting;

/// <summary>
/// One run of the server: starts what the settings ask for, in order, serves until it is told to stop, and stops everything in reverse.
/// </summary>
internal static partial class Server
{
    /// <param name="settings">What the server is.</param>
    /// <param name="output">Takes the greeting.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="StartupException">It cannot start as configured.</exception>
    public static async Task RunAsync(ServerSettings settings, TextWriter output, CancellationToken cancellationToken)
    {
        using var systemd = SystemdNotify.FromEnvironment();
        using var loggers = LoggerFactory.Create(logging => AddLog(logging, settings));

        // 1. What only one server may have, before anything is written: the data directory and the port.
        using var data = settings.NeedsDataDirectory ? DataDirectory.Open(settings.DataPath) : null;
        using var listener = SystemdSockets.Take() ?? Bind(settings.Listen);
        await using var tls = settings.Tls is null ? null : new ServerTls(settings.Tls, loggers.CreateLogger("tls"), TimeProvider.System);
        await using var clients = settings.ClientAuthorityFile is null ? null
            : new ClientAuthority(settings.ClientAuthorityFile, loggers.CreateLogger("tls"), TimeProvider.System);
        var publicUrl = settings.PublicUrl ?? UrlOf((IPEndPoint)listener.LocalEndPoint!, tls is null ? "http" : "https");
        var keys = settings.SigningKeys ?? [data!.SigningKey()];
        var tokenFile = settings.TokenFile ?? data!.EnsureToken();
        var bootstrap = TokenFile.Read(tokenFile, settings.IsPrivate);
        var access = settings.AccessFile is { } file ? AccessFile.Read(file, publicUrl) : new AccessRules([], null);
        if (access.Certificates is not null && clients is null)
            throw new StartupException(
                $"{settings.AccessFile} has rules of certificates, and --tls-client-ca is missing: name the authority that issues them.");
        var caches = settings.CachesFile is { } declared ? CachesFile.Read(declared) : null;

        // 2. Database, store, core. Meanwhile the code of a push is compiled, and the silo starts: it waits for the catalog's tables alone.
        // A cluster of one would compete for the processor, so it starts once the server serves, unless a database must be made.
        var catalog = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var engine = settings.Silo is null ? null : new ClusterEngine(TimeProvider.System);
        var serving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var isWantedFirst = settings.Silo is { ClusterId: not null } or { HasDashboard: true }
            || (settings.Postgres is null && !data!.HasDatabase);
        await using var silo = engine is null ? null : SiloHost.Start(settings.Silo!, engine,
            isWantedFirst ? Task.CompletedTask : serving.Task, catalog.Task, logging => AddLog(logging, settings),
            loggers.CreateLogger("silo"));
        var rehearsal = Protocols.V1.JsonWarmup.RunAsync();
        await using var postgres = settings.Postgres is null ? await EmbeddedPostgres.StartAsync(data!.PostgresFolder,
            loggers.CreateLogger("postgres"), cancellationToken) : null;
        var store = ServerComposition.Store(settings, data, publicUrl);
        using var disposableStore = store as IDisposable;
        var storeCheck = new StoreCheck(store as S3ObjectStore, settings.S3);
        await storeCheck.AtStartAsync(loggers.CreateLogger("store"), cancellationToken);
        await using var storeWatch = new StoreWatch(storeCheck, store as S3ObjectStore, loggers.CreateLogger("store"), TimeProvider.System);
        var connectionString = settings.Postgres ?? postgres!.ConnectionString;
        await using var commands = await SigningCommands.StartAsync(settings.SigningCommands, loggers.CreateLogger("signing"),
            cancellationToken);
        await using var core = await ServerComposition.CoreAsync(connectionString, store,
            new CachePlaces(settings, data, store, publicUrl), keys, commands.All, engine, settings, loggers, cancellationToken);
        catalog.SetResult(connectionString);
        // Declared here, so that the silo leaves before the core and the database stop.
        await using var leaves = silo;
        await DatabaseCheck.AtStartAsync(core, loggers.CreateLogger("database"), cancellationToken);
        if (caches is not null)
            await ServerComposition.DeclareAsync(core, settings.CachesFile!, caches, loggers.CreateLogger("caches"), cancellationToken);

        // 3. The routes.
        using var clientKeys = new ClientKeyCheck(store as S3ObjectStore, settings.S3);
        await using var identities = access.Issuers.Count == 0 ? null
            : Identities.Start(access.Issuers, core.Subjects, loggers.CreateLogger("access"), TimeProvider.System);
        var parts = GatewayParts.Of(core, new TokenCredentials(bootstrap, core.Tokens, identities,
            access.Certificates is { } rules ? new CertificateIdentities(rules, core.Subjects, TimeProvider.System) : null), publicUrl) with
        {
            Identities = identities,
            Login = LoginOffer.Of(access.Issuers, publicUrl),
            FindDoubts = async stop => [.. await core.FindDoubtsAsync(stop), .. await storeWatch.FindDoubtsAsync(stop),
                .. await clientKeys.FindDoubtsAsync(stop), .. tls?.Doubt is { } doubt ? [doubt] : Array.Empty<string>()],
            CertificateEnd = tls is null ? null : () => tls.NotAfter,
            FindPushTrouble = async stop => await core.FindPushTroubleAsync(stop) ?? storeCheck.Trouble,
            Limits = settings.Limits,
            Priority = settings.Priority,
            DrainDelay = settings.DrainDelay,
            IsPrivate = settings.IsPrivate,
        };
        await ServerComposition.WriteCacheInfoAsync(store, parts, cancellationToken);
        storeCheck.TellWhatIsUnknown(loggers.CreateLogger("store"));
        await clientKeys.AtStartAsync(loggers.CreateLogger("uploads"), cancellationToken);
        await using var app = await GatewayApp.BuildAsync(parts, listener, logging => AddLog(logging, settings), silo,
            settings.Silo, systemd, new Edge(tls, clients, settings.Proxy));
        // A member waits for its cluster. A cluster of one starts in a moment, and the first requests do without it.
        if (settings.Silo is { ClusterId: not null })
            await silo!.WaitUntilJoinedAsync(SiloHost.JoinPatience, cancellationToken);
        await app.StartAsync(cancellationToken);
        await rehearsal;
        var keyFiles = caches?.SelectMany(c => c.Settings.Keys ?? []) ?? [];
        foreach (var open in settings.OpenSecrets.Concat(ServerSettings.FindOpen("caches", keyFiles)))
            LogDoubt(loggers.CreateLogger("settings"), open);
        if (clients is not null && access.Certificates is null)
            LogDoubt(loggers.CreateLogger("access"),
                "--tls-client-ca is given, and no rule lets a certificate in: add 'certificates' to the file of --access.");
        foreach (var doubt in RuleDoubts.Of(access.Issuers).Concat(RuleDoubts.OfCertificates(access.Certificates ?? [])))
            LogDoubt(loggers.CreateLogger("access"), doubt);
        await output.WriteLineAsync(Greeting(parts, tokenFile, settings));
        await output.FlushAsync(cancellationToken);
        systemd.Ready($"Serving {publicUrl}");
        serving.SetResult();
        await app.WaitForShutdownAsync(cancellationToken);
        if (app.Services.GetRequiredService<SchemaWatch>().IsOutdated)
            throw new StartupException(
                "A newer server has brought the database to a schema that this one does not know. Start the newer program here, too.");
    }

    /// <summary>Brings the database up to date, says what was done, and ends.</summary>
    /// <exception cref="StartupException">The database cannot be used.</exception>
    public static async Task MigrateAsync(ServerSettings settings, TextWriter output, CancellationToken cancellationToken)
    {
        using var loggers = LoggerFactory.Create(logging => AddLog(logging, settings));
        using var data = settings.Postgres is null ? DataDirectory.Open(settings.DataPath) : null;
        await using var postgres = settings.Postgres is null ? await EmbeddedPostgres.StartAsync(data!.PostgresFolder,
            loggers.CreateLogger("postgres"), cancellationToken) : null;
        var connectionString = settings.Postgres ?? postgres!.ConnectionString;
        await using var database = await ServerComposition.WithDatabaseAsync(connectionString, () =>
            CatalogDatabase.OpenAsync(connectionString, cancellationToken, tell: output.WriteLine));
        foreach (var migration in database.Changes.Migrations)
            await output.WriteLineAsync($"applied {migration}");
        if (database.Changes.NewFunctions)
            await output.WriteLineAsync($"made the functions {database.Functions}");
        await output.WriteLineAsync("The database is up to date.");
    }

    // A socket of systemd may listen on all addresses whatever --listen says.
    private static Uri UrlOf(IPEndPoint endpoint, string scheme) =>
        endpoint.Address.Equals(IPAddress.Any) || endpoint.Address.Equals(IPAddress.IPv6Any)
        ? throw new StartupException(
            $"The socket {endpoint} takes requests for any address, so say with --public-url what clients reach this server under.")
        : new Uri($"{scheme}://{endpoint}");

    private static Socket Bind(IPEndPoint endpoint)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endpoint.Address.Equals(IPAddress.IPv6Any))
                socket.DualMode = true;
            socket.Bind(endpoint);
            // Listening is what claims a port for good: without it another server could bind beside us.
            socket.Listen(512);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new StartupException(
                e.SocketErrorCode switch
                {
                    SocketError.AddressAlreadyInUse =>
                        $"The port {endpoint.Port} on {endpoint.Address} is taken by another program: stop that one, or choose another with --listen.",
                    SocketError.AccessDenied =>
                        $"Listening on port {endpoint.Port} is not allowed to this user: choose one above 1023 with --listen.",
                    SocketError.AddressNotAvailable =>
                        $"{endpoint.Address} is not an address of this machine: choose another with --listen.",
                    _ => $"Listening on {endpoint} failed: {e.Message}",
                },
                e);
        }
    }

    private static string Greeting(GatewayParts parts, string tokenFile, ServerSettings settings)
    {
        var url = parts.PublicUrl.OriginalString;
        var lines = new List<string> { "nix.conf of the machines that read:", $"  extra-substituters = {url}" };
        lines.Add(parts.PublicKeys.Count > 0
            ? $"  extra-trusted-public-keys = {string.Join(' ', parts.PublicKeys)}"
            : "  (nothing is signed here: readers need the keys of whoever signed the paths)");
        if (settings.IsPrivate)
            lines.Add("  netrc-file = FILE, with 'machine HOST login any password TOKEN': reads need a token");
        lines.Add("To push:");
        lines.Add($"  orleans-cache push --url {url} --token-file {tokenFile} PATH...");
        lines.Add(settings.Silo is null ? "garbage collection: not scheduled by this server, as it has no silo (--no-silo)"
            : GcSettings.Describe(settings.Gc, parts.Time.GetUtcNow()));
        lines.Add(VerifySettings.Describe(settings.Verify));
        if (settings.Silo is { ClusterId: null })
            lines.Add("cluster: this server alone; --cluster-id makes servers on one PostgreSQL work as one");
        lines.Add($"zstd: {Zstd.Library}");
        lines.Add($"ready at {url}");
        return string.Join('\n', lines);
    }

    // Standard output is for what a person or a script reads; the log goes to standard error.
    private static void AddLog(ILoggingBuilder logging, ServerSettings settings)
    {
        logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("Orleans.", LogLevel.Warning);
        if (settings.LogsJson)
            logging.AddJsonConsole(json => json.UseUtcTimestamp = true);
        else
            logging.AddSimpleConsole(text => (text.SingleLine, text.TimestampFormat, text.UseUtcTimestamp) = (true,
                "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ", true));
        logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console =>
            console.LogToStandardErrorThreshold = LogLevel.Trace);
        new Observability(Environment.GetEnvironmentVariable).AddTo(logging);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Why}")]
    private static partial void LogDoubt(ILogger logger, string why);
}
