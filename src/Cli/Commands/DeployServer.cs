using OrleansCache.Cli.Common;
using OrleansCache.Cli.Deploy;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>What a deployment asks the server. It waits for no server that is away: the machine runs what it ran.</summary>
internal sealed class DeployServer : IDisposable
{
    private readonly ServerSettings _settings;
    private readonly HttpMessageInvoker _http;
    private readonly TokenSource _tokens;
    private readonly PinName _pin;
    private readonly RetryPolicy _retry = CommonOptions.First(new RetryPolicy());

    private DeployServer(ServerSettings settings, PinName pin)
    {
        (_settings, _pin) = (settings, pin);
        _http = Connections.Open(2, settings.Tls, settings.Url);
        _tokens = ServerCall.Tokens(settings, _http, _retry);
    }

    /// <summary>Without one nothing is reported, and the pin is read as by any reader.</summary>
    public bool HasToken => _tokens != TokenSource.None;

    private Api Api => new(_http, _settings.Url, _settings.Cache, _tokens, _retry);

    public static DeployServer Open(ServerSettings settings, PinName pin) => new(settings, pin);

    /// <summary>What the pin leads to; the revision is told to tokens of the scope deploy or pin alone.</summary>
    public Task<DeployTarget> ReadAsync(CancellationToken cancellationToken) => ExplainedAsync(async () =>
    {
        if (HasToken)
        {
            try
            {
                var pin = await Api.PinAsync(_pin, cancellationToken);
                return new DeployTarget(pin.Path, pin.Revision);
            }
            catch (CacheException e) when (e.ExitCode == ExitCodes.Refused)
            {
                // Another scope's: it may read all the same.
            }
        }

        return new DeployTarget(await Api.PublicPinAsync(_pin, cancellationToken), null);
    });

    /// <summary>Lets Nix fetch from this cache, whatever its configuration names.</summary>
    public Task<IReadOnlyList<string>> NixOptionsAsync(CancellationToken cancellationToken) => ExplainedAsync(async () =>
    {
        var info = await ServerCall.InfoAsync(_settings, _http, _retry, HasToken ? _tokens : null, cancellationToken);
        return (IReadOnlyList<string>)[.. new NixLines(_settings.Url, info).Conf(_settings.Tls, trustsUnsigned: false)
            .SelectMany(line => (string[])["--option", .. line.Split(" = ", 2)])];
    });

    public Task ReportAsync(MachineName machine, DeploymentReport report, CancellationToken cancellationToken) =>
        Api.ReportAsync(_pin, machine, report, cancellationToken);

    public void Dispose() => _http.Dispose();

    private async Task<T> ExplainedAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ServerCall.RefusalExplained(_tokens, ask());
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
}
