using System.CommandLine;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The whole of a server program, from its arguments to its exit code.</summary>
public static class ServerMain
{
    /// <summary>Runs until it is told to stop.</summary>
    /// <param name="line">The options that the program has.</param>
    /// <param name="arguments">Those that it was given.</param>
    /// <param name="engine">Makes what stands between the core and the routes of the settings, the other options and the catalog's connection string; null for nothing.</param>
    /// <returns>0: stopped in order, 1: failed while running, 2: cannot start as configured.</returns>
    public static async Task<int> RunAsync(CommandLine line, string[] arguments, Func<ServerSettings, GivenOptions, Func<string, IServerEngine>>? engine = null)
    {
        line.Root.SetAction(async (parsed, cancel) =>
        {
            var given = line.Values(parsed, Environment.GetEnvironmentVariable);
            var settings = ServerSettings.From(given);
            // Beside a running server: what is the server's alone, such as a port, is not looked at.
            await (settings.OnlyMigrates ? Server.MigrateAsync(settings, Console.Out, cancel) : Server.RunAsync(settings, engine?.Invoke(settings, given), Console.Out, cancel));
            return 0;
        });
        try
        {
            var parsed = line.Root.Parse(arguments);
            if (parsed.Errors.Count > 0)
                line.Values(parsed, Environment.GetEnvironmentVariable);
            // The host handles signals, and drains; the command line's own handler would race with it.
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (StartupException e)
        {
            await Console.Error.WriteLineAsync($"{line.Program}: {e.Message}");
            return 2;
        }
    }
}
