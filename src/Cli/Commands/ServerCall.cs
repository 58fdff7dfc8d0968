using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Commands;

/// <summary>A command that is one request, or a few: what goes wrong is told as a person understands it.</summary>
internal static class ServerCall
{
    public static async Task<T> RunAsync<T>(ServerSettings settings, Func<Api, Task<T>> call)
    {
        using var http = Connections.Open(1);
        var retry = new RetryPolicy { OnRetry = static (what, delay) => Console.Error.WriteLine($"{what}; trying again in {Text.Duration(delay)}") };
        return await RefusalExplained(settings, ErrorsExplained(settings, call(new Api(http, settings.Url, settings.Cache, settings.ReadToken(), retry))));
    }

    /// <summary>Says whose token it was that the server refused.</summary>
    public static async Task<T> RefusalExplained<T>(ServerSettings settings, Task<T> call)
    {
        try
        {
            return await call;
        }
        catch (CliException e) when (e.ExitCode == ExitCodes.Refused)
        {
            var token = settings.TokenFile is null ? "No token was sent: name its file with --token-file or ORLEANS_CACHE_TOKEN_FILE." : $"The token is that of {settings.TokenFile}.";
            throw new CliException(e.ExitCode, $"The server refuses: {e.Message}\n{token}", e);
        }
    }

    private static async Task<T> ErrorsExplained<T>(ServerSettings settings, Task<T> call)
    {
        try
        {
            return await call;
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
}
