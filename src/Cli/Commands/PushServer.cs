using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>The server as a push needs it: its connections, its token, the cache. It serves any number of pushes.</summary>
internal sealed class PushServer : IDisposable
{
    private readonly ServerSettings _settings;
    private readonly PushOptions _options;
    private readonly RetryPolicy _retry;
    private readonly HttpMessageInvoker _http;
    private readonly TokenSource _tokens;

    /// <exception cref="CliException">A setting is wrong.</exception>
    public PushServer(ServerSettings settings, PushOptions options, RetryPolicy retry)
    {
        (_settings, _options, _retry) = (settings, options, retry);
        _http = Connections.Open(options.Uploads * 2, settings.Tls, settings.Url);
        _tokens = ServerCall.Tokens(settings, _http, retry);
    }

    /// <summary>The server's routes, for who does more there than push.</summary>
    public Api Api => ApiOf(_retry);

    public UploadClient Uploads => new(_http, _retry);

    public void Dispose() => _http.Dispose();

    /// <summary>Adds to a refusal which token the server refused.</summary>
    public Task<T> RefusalExplained<T>(Task<T> call) => ServerCall.RefusalExplained(_tokens, call);

    /// <summary>Asks for the cache. It fails soon, unlike a push: a mistyped URL shows at once.</summary>
    /// <exception cref="CliException">The server does not answer, or has no such cache.</exception>
    public async Task GreetAsync(CancellationToken cancellationToken)
    {
        try
        {
            var info = await ApiOf(CommonOptions.First(_retry)).InfoAsync(cancellationToken);
            if (info.StoreDir != StorePath.StoreDir)
                throw new CliException(ExitCodes.Usage,
                    $"The cache '{_settings.Cache}' holds paths of {info.StoreDir}, not of {StorePath.StoreDir}.");
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Unreachable)
        {
            throw CommonOptions.Unreachable(_settings, e);
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode, e.Message, e);
        }
    }

    /// <summary>Pushes a closure.</summary>
    public Task<PushResult> PushAsync(LookedUp found, PushProgress progress, CancellationToken cancellationToken)
    {
        var options = _options with { StoreDir = found.Places.Store, CaseHack = found.Places.CaseHack };
        var pusher = new Pusher(Api, Uploads, options, progress, TimeProvider.System);
        return RefusalExplained(pusher.RunAsync(found.Closure, cancellationToken));
    }

    /// <summary>Looks up some roots and pushes them.</summary>
    public async Task<PushedRoots> PushAsync(ClosureLookup lookup, IReadOnlyList<StorePath> roots, PushProgress progress,
        CancellationToken cancellationToken)
    {
        progress.Phase = "looking up the closure";
        var found = await lookup.FindAsync(roots, null, cancellationToken);
        var result = found.Closure.Roots.Count == 0 ? null : await PushAsync(found, progress, cancellationToken);
        if (result is not null)
            PushText.Warn(result, found.Closure, progress.Note);
        return new PushedRoots(found.Closure.Roots, result, found.LeftOut);
    }

    private Api ApiOf(RetryPolicy retry) => new(_http, _settings.Url, _settings.Cache, _tokens, retry);
}
