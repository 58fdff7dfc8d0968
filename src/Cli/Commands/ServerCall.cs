using System.CommandLine;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;

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
        var token = settings.ReadToken();
        using var http = Connections.Open(2);
        var retry = new RetryPolicy
        {
            OnRetry = static (what, delay) =>
            Console.Error.WriteLine($"{what}; trying again in {Text.Duration(delay)}")
        };
        try
        {
            return await RefusalExplained(settings, ask(
                new Api(http, settings.Url, settings.Cache, token, CommonOptions.First(retry)),
                new Api(http, settings.Url, settings.Cache, token, retry)));
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

    /// <summary>Adds to a refusal which token the server refused.</summary>
    public static async Task<T> RefusalExplained<T>(ServerSettings settings, Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (Exception e) when (e is CliException { ExitCode: ExitCodes.Refused } or CacheException { ExitCode: ExitCodes.Refused })
        {
            var token = settings.TokenFile is null ? "No token was sent: name its file with --token-file or ORLEANS_CACHE_TOKEN_FILE."
                : $"The token is that of {settings.TokenFile}.";
            throw new CliException(ExitCodes.Refused, $"The server refuses: {e.Message}\n{token}", e);
        }
    }
}
