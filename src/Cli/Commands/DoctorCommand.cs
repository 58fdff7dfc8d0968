using System.CommandLine;
using System.Globalization;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// <c>doctor</c>: checks everything that a push needs, changes nothing, and says of each failure what is wrong and what to do.
/// </summary>
internal static partial class DoctorCommand
{
    /// <summary>
    /// A store refuses presigned URLs when the clocks differ by more than 15 minutes (S3); from a minute on it is reported.
    /// </summary>
    private static readonly TimeSpan SkewWorthAWord = TimeSpan.FromMinutes(1);

    public static Command Create(CommonOptions common)
    {
        var command = new Command("doctor", "Find out why something does not work. Leaves everything as it was.");
        command.SetAction((result, cancellationToken) => new Examination(Console.Out)
            .RunAsync(() => common.Resolve(result), cancellationToken));
        return command;
    }

    /// <summary>Prints a line for each check; the exit code is that of the first failure.</summary>
    internal sealed partial class Examination(TextWriter output)
    {
        private int _exitCode = ExitCodes.Ok;

        public async Task<int> RunAsync(Func<ServerSettings> resolve, CancellationToken cancellationToken)
        {
            ServerSettings settings;
            try
            {
                settings = resolve();
                Good("configuration", $"{settings.Url} (from {settings.UrlSource}), cache '{settings.Cache}'");
            }
            catch (CliException e)
            {
                Bad("configuration", e.Message, e.ExitCode);
                return _exitCode;
            }

            if (await ConnectAsync(settings, cancellationToken) is { } connected)
            {
                using var http = connected.Http;
                var once = new RetryPolicy { Patience = TimeSpan.Zero };
                if (await ServerAsync(http, connected.Tokens, settings, once, cancellationToken)
                    && await ReadyAsync(http, settings, cancellationToken))
                    await TokenWorksAsync(http, connected.Tokens, settings, once, cancellationToken);
            }

            if (Zstd.IsNative)
                Good("zstd", Zstd.Library);
            else
                Warn("zstd", Zstd.Library);
            await NixAsync(cancellationToken);
            return _exitCode;
        }

        /// <summary>Null: a file of TLS cannot be used, and nothing can be asked.</summary>
        private async Task<(HttpMessageInvoker Http, TokenSource Tokens)?> ConnectAsync(ServerSettings settings,
            CancellationToken cancellationToken)
        {
            HttpMessageInvoker http;
            try
            {
                http = Connections.Open(2, settings.Tls, settings.Url);
            }
            catch (CliException e)
            {
                Bad("certificate", e.Message, e.ExitCode);
                return null;
            }

            if (settings.Tls.CertificateFile is { } certificate)
                Good("certificate", $"{certificate} is shown to the server");
            return (http, await TokenAsync(settings, http, cancellationToken));
        }

        private async Task<TokenSource> TokenAsync(ServerSettings settings, HttpMessageInvoker http, CancellationToken cancellationToken)
        {
            try
            {
                var tokens = ServerCall.Tokens(settings, http, new RetryPolicy());
                if (await tokens.GetAsync(cancellationToken) is null)
                {
                    if (settings.Tls.CertificateFile is null)
                        Warn("token",
                            "there is none: a push will be refused unless the server takes anybody (--token-file, --token-command, " +
                            "'orleans-cache login')");
                }
                else if (!OperatingSystem.IsWindows() && settings.TokenFile is { } file
                    && (File.GetUnixFileMode(file) & (UnixFileMode.OtherRead | UnixFileMode.GroupRead)) != 0)
                    Warn("token", $"{file} can be read by others: chmod 600 it");
                else
                    Good("token", $"from {tokens.Name}");
                return tokens;
            }
            catch (CliException e)
            {
                Bad("token", e.Message, e.ExitCode);
                return TokenSource.None;
            }
        }

        private async Task<bool> ServerAsync(HttpMessageInvoker http, TokenSource tokens, ServerSettings settings, RetryPolicy once,
            CancellationToken cancellationToken)
        {
            try
            {
                var info = await ServerCall.InfoAsync(settings, http, once, tokens, cancellationToken);
                Good("server", $"orleans-cache {info.Version} answers; readers use {info.Substituter}");
                if (ServerNames.FindDoubt(settings.Url, settings.Cache, info.Substituter) is { } doubt)
                    Warn("public URL", doubt);
                if (info.StoreDir != StorePath.StoreDir)
                    Bad("store directory", $"the cache holds paths of {info.StoreDir}, this machine has {StorePath.StoreDir}",
                        ExitCodes.Usage);
                await ClockAsync(http, settings, cancellationToken);
                return true;
            }
            catch (CliException e)
            {
                Bad("server", e.IsComplete ? e.Message
                    : $"{e.Message.TrimEnd('.')}. Is the URL right, does the server run, is there a proxy or a firewall between?",
                    e.ExitCode);
            }
            catch (TransientException e)
            {
                Bad("server", $"it answered once, and not again: {e.Message}", e.ExitCode);
            }
            catch (CacheException e)
            {
                Bad("server", e.Message, e.ExitCode);
            }

            return false;
        }

        private async Task ClockAsync(HttpMessageInvoker http, ServerSettings settings, CancellationToken cancellationToken)
        {
            using var asked = new HttpRequestMessage(HttpMethod.Get, $"{settings.Url.AbsoluteUri.TrimEnd('/')}/v1/caches/{settings.Cache}");
            using var response = await http.SendAsync(asked, cancellationToken);
            if (response.Headers.Date is not { } theirs)
                return;
            var skew = (DateTimeOffset.UtcNow - theirs).Duration();
            if (skew > SkewWorthAWord)
                Warn("clock",
                    $"differs from the server's by {Text.Duration(skew)}: an object store may refuse uploads, and certificates may look " +
                    "expired. Set it (NTP).");
            else
                Good("clock", string.Create(CultureInfo.InvariantCulture, $"within {Math.Ceiling(skew.TotalSeconds):0} s of the server's"));
        }

        /// <summary>
        /// The server knows why its database or store would refuse a push. Where it does, the calls below would only say the same.
        /// </summary>
        private async Task<bool> ReadyAsync(HttpMessageInvoker http, ServerSettings settings, CancellationToken cancellationToken)
        {
            try
            {
                if (await PushReadiness.FindTroubleAsync(http, settings.Url, cancellationToken) is not { } trouble)
                    return true;
                Bad("pushes", $"would fail now: {trouble}", ExitCodes.Unreachable);
            }
            catch (Exception e) when (RetryPolicy.AsTransient(e) is { } transient && !cancellationToken.IsCancellationRequested)
            {
                Bad("pushes", $"whether they would succeed is not known: {transient.Message}", ExitCodes.Unreachable);
            }

            return false;
        }

        private async Task TokenWorksAsync(HttpMessageInvoker http, TokenSource tokens, ServerSettings settings, RetryPolicy once,
            CancellationToken cancellationToken)
        {
            var api = new Api(http, settings.Url, settings.Cache, tokens, once);
            try
            {
                // A question about no paths: it needs the right to push, and leaves no trace.
                _ = await api.MissingAsync(new MissingRequest { Paths = [] }, cancellationToken);
                Good("permission", "the server lets us push");
                await StoreAsync(http, api, settings, once, cancellationToken);
                await StateAsync(api, cancellationToken);
            }
            catch (CacheException e) when (e.ExitCode == ExitCodes.Refused)
            {
                Bad("permission", $"the server refuses: {e.Message}" + (tokens == TokenSource.None
                    ? " (no token was sent)" : ""), e.ExitCode);
            }
            catch (Exception e) when (e is CacheException or CliException)
            {
                Bad("permission", e.Message, ExitCodes.Failed);
            }
        }

        /// <summary>
        /// A push would send NARs to the store, so its name, port, certificate and proxies matter as much as the server's.
        /// </summary>
        private async Task StoreAsync(HttpMessageInvoker http, Api api, ServerSettings settings, RetryPolicy once,
            CancellationToken cancellationToken)
        {
            try
            {
                if (await UploadTrial.RunAsync(api, new UploadClient(http, once), cancellationToken) is not { } store)
                    return;
                var isServer = store.Authority == settings.Url.Authority && store.Scheme == settings.Url.Scheme;
                Good("uploads", isServer ? "the server takes them itself" : $"{store} takes them");
            }
            catch (Exception e) when (e is CliException or TransientException)
            {
                var code = e is CliException told ? told.ExitCode : ExitCodes.Unreachable;
                Bad("uploads", e is CliException ? e.Message.ReplaceLineEndings(" ")
                    : $"{e.Message}: the server sends uploads there (its --public-url or --s3-upload-endpoint)", code);
            }
            catch (CacheException e)
            {
                Warn("uploads", $"where they would go is not known: {e.Message}");
            }
        }

        private async Task StateAsync(Api api, CancellationToken cancellationToken)
        {
            try
            {
                var state = await api.WarningsAsync(cancellationToken);
                foreach (var warning in state.Warnings)
                    Warn("server state", warning);
                foreach (var failure in state.Failures)
                    Bad("server state", failure, ExitCodes.Failed);
                if (state.Warnings.Count + state.Failures.Count == 0)
                    Good("server state",
                        "nothing speaks against that it keeps what it acknowledges, and its upload URLs allow nothing else");
            }
            catch (CacheException e)
            {
                Warn("server state", $"the server does not tell what it knows to be wrong with its database and bucket: {e.Message}");
            }
        }

        private void Good(string what, string text) => output.WriteLine($"ok       {what,-15} {text}");

        private void Warn(string what, string text) => output.WriteLine($"warning  {what,-15} {text}");

        private void Bad(string what, string text, int exitCode)
        {
            output.WriteLine($"FAILED   {what,-15} {text}");
            if (_exitCode == ExitCodes.Ok)
                _exitCode = exitCode;
        }
    }
}
