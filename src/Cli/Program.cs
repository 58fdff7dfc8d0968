using System.CommandLine;
using System.ComponentModel;
using System.Runtime.InteropServices;
using OrleansCache.Cli.Commands;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Queue;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

// First of all, and with nothing else loaded: a build waits for it.
if (Hook.IsMeant(args))
    return Hook.Run(args, Environment.GetEnvironmentVariable);

StandardStreams.Guard();
LibraryNames.Use(typeof(StorePath).Assembly, typeof(StandardStreams).Assembly);

// Ctrl-C and SIGTERM end a push in good order; a second signal ends the process at once.
using var interrupt = new CancellationTokenSource();
using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);

var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
try
{
    var result = RootCommands.Parse(args);
    var code = await result.InvokeAsync(configuration, interrupt.Token);
    if (result.Errors.Count > 0)
        return ExitCodes.Usage;
    return code == ExitCodes.Ok && StandardStreams.OutputError is { } why ? Untold(result, why) : code;
}
catch (CliException e)
{
    Console.Error.WriteLine($"orleans-cache: {e.Message}");
    return e.ExitCode;
}
catch (OperationCanceledException) when (interrupt.IsCancellationRequested)
{
    Console.Error.WriteLine("orleans-cache: interrupted");
    return ExitCodes.Interrupted;
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or HttpRequestException or Win32Exception)
{
    // The system's message says what is wrong; a stack trace of this program would not help.
    Console.Error.WriteLine($"orleans-cache: {e.Message}");
    return e is HttpRequestException ? ExitCodes.Unreachable : ExitCodes.Failed;
}
catch (Exception e)
{
    Console.Error.WriteLine($"orleans-cache: this should not have happened; please report it:\n{e}");
    return ExitCodes.Failed;
}

// A command that changed something has done it all the same; a command that only prints has failed without its output.
int Untold(ParseResult result, string why)
{
    var changes = RootCommands.Changes(result);
    Console.Error.WriteLine($"orleans-cache: standard output cannot be written: {why}{(changes ? "; the command itself is done" : "")}");
    return changes ? ExitCodes.Ok : ExitCodes.Failed;
}

void Interrupt(PosixSignalContext context)
{
    if (interrupt.IsCancellationRequested)
        return; // the default: the process ends
    context.Cancel = true;
    interrupt.Cancel();
}
