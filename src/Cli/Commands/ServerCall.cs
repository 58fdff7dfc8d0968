using System.CommandLine;
using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;
using OrleansCache.Cli.Tokens;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Commands;

/// <summary>A command's call of the server. An error says what to do.</summary>
internal static class ServerCall
{
    /// <param name="common">The options of every command.</param>
    /// <param name="result">The parsed command line.</param>
    /// <param name="ask">Calls the server. The first API soon gives up on a server that does not answer; the second waits for one that
    /// restarts.</param>
    public static async Task<T> AskAsync<T>(CommonOptions common, ParseResult result, Func<Api, Api, Task<T>> ask)
    {
        var settings = common.Resolve(result);
        using var http = Connections.Open(2, settings.Tls, settings.Url);
        var retry = new RetryPolicy
        {
            OnRetry = static (what, delay) =>
            Console.Error.WriteLine($"{what}; trying again in {Text.Duration(delay)}")
        };
        var tokens = Tokens(settings, http, retry);
        try
        {
            return await RefusalExplained(tokens, ask(
                new Api(http, settings.Url, settings.Cache, tokens, CommonOptions.First(retry)),
                new Api(http, settings.Url, settings.Cache, tokens, retry)));
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Unreachable)
        {
            throw CommonOptions.Unreachable(settings, e);
        }
        catch (CacheException e)
        {
            throw new CliException(e.ExitCode, e.Message, e);
        }
    }

    public static Task<T> AskAsync<T>(CommonOptions common, ParseResult result, Func<Api, Task<T>> ask) =>
        AskAsync(common, result, (api, _) => ask(api));

    /// <summary>
    /// Asks for the cache, without a token as long as the server wants none: a private cache is told of to those alone who may have it.
    /// </summary>
    public static async Task<CacheInfo> InfoAsync(ServerSettings settings, HttpMessageInvoker http, RetryPolicy retry, TokenSource? tokens,
        CancellationToken cancellationToken)
    {
        try
        {
            return await new Api(http, settings.Url, settings.Cache, TokenSource.None, retry).InfoAsync(cancellationToken);
        }
        catch (CacheException e) when (e.Status == HttpStatusCode.Unauthorized)
        {
            tokens ??= Tokens(settings, http, retry);
        }

        try
        {
            return await RefusalExplained(tokens, new Api(http, settings.Url, settings.Cache, tokens, retry).InfoAsync(cancellationToken));
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Refused)
        {
            throw new CliException(ExitCodes.Refused, $"Cache '{settings.Cache}' is private, or there is none of that name. {e.Message}", e)
            { IsComplete = true };
        }
    }

    /// <summary>Where the token comes from.</summary>
    public static TokenSource Tokens(ServerSettings settings, HttpMessageInvoker http, RetryPolicy retry)
    {
        var tokens = new TokenSources(http, CommonOptions.First(retry), Environment.GetEnvironmentVariable).Find(settings);
        if (settings.IsVerbose)
            Console.Error.WriteLine($"server {settings.Url} (from {settings.UrlSource}); " +
                (tokens == TokenSource.None ? "no token" : $"token from {tokens.Name}"));
        return tokens;
    }

    /// <summary>Adds to a refusal which token the server refused.</summary>
    public static async Task<T> RefusalExplained<T>(TokenSource tokens, Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (Exception e) when (e is CliException { ExitCode: ExitCodes.Refused, IsComplete: false }
            or CacheException { ExitCode: ExitCodes.Refused })
        {
            var token = tokens == TokenSource.None
                ? "No token was sent: name its file with --token-file or ORLEANS_CACHE_TOKEN_FILE, or log in with 'orleans-cache login'."
                : $"The token is that of {tokens.Name}.";
            throw new CliException(ExitCodes.Refused, $"The server refuses: {e.Message}\n{token}", e);
        }
    }
}
