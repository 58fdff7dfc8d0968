using System.CommandLine;
using OrleansCache.Gateway.Hosting;

// 0: stopped in order, 1: failed while running, 2: cannot start as configured.
var line = new CommandLine();
line.Root.SetAction(async (parsed, cancel) =>
{
    await Server.RunAsync(line.Settings(parsed, Environment.GetEnvironmentVariable), Console.Out, cancel);
    return 0;
});
try
{
    var parsed = line.Root.Parse(args);
    if (parsed.Errors.Count > 0)
        line.Settings(parsed, Environment.GetEnvironmentVariable);
    // The host handles signals, and drains; the command line's own handler would race with it.
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (StartupException e)
{
    Console.Error.WriteLine($"orleans-cache-server: {e.Message}");
    return 2;
}
