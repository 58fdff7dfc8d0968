using System.CommandLine;
using System.Runtime.InteropServices;
using OrleansCache.Cli;
using OrleansCache.Cli.Commands;

// Ctrl-C and SIGTERM end a push in good order; a second one ends it at once.
using var interrupt = new CancellationTokenSource();
using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);

var result = RootCommands.Parse(args);
var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
try
{
    var code = await result.InvokeAsync(configuration, interrupt.Token);
    return result.Errors.Count > 0 ? ExitCodes.Usage : code;
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
catch (Exception e)
{
    Console.Error.WriteLine($"orleans-cache: this should not have happened; please report it:\n{e}");
    return ExitCodes.Failed;
}

void Interrupt(PosixSignalContext context)
{
    if (interrupt.IsCancellationRequested)
        return; // the default: the process ends
    context.Cancel = true;
    interrupt.Cancel();
}
