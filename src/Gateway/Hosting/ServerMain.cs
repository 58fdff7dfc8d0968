using System.CommandLine;
using OrleansCache.Core.Common;

namespace OrleansCache.Gateway.Hosting;

/// <summary>The whole of a server program, from its arguments to its exit code.</summary>
public static class ServerMain
{
    /// <summary>Runs until it is told to stop.</summary>
    /// <returns>0: stopped in order, 1: failed while running, 2: cannot start as configured.</returns>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var line = new CommandLine();
        line.Root.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = line.Settings(parsed, Environment.GetEnvironmentVariable);
            await (settings.OnlyMigrates ? Server.MigrateAsync(settings, Console.Out, cancellationToken)
                : Server.RunAsync(settings, Console.Out, cancellationToken));
            return 0;
        });
        try
        {
            var parsed = line.Root.Parse(arguments);
            if (parsed.Errors.Count > 0)
                line.Values(parsed, Environment.GetEnvironmentVariable);
            // The host handles signals and drains; a handler of the command line would race with it.
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null
            });
        }
        catch (StartupException e)
        {
            await Console.Error.WriteLineAsync($"{CommandLine.Program}: {e.Message}");
            return 2;
        }
    }
}
