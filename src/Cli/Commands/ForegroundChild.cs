using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>
/// A command that runs in this program's place: with its streams and its signals. What ends this program otherwise ends the command, and a
/// second signal this program.
/// </summary>
internal sealed class ForegroundChild : IDisposable
{
    private readonly Process _process;
    private readonly List<PosixSignalRegistration> _signals = [];

    /// <exception cref="CliException">There is no such program.</exception>
    public ForegroundChild(IReadOnlyList<string> words)
    {
        try
        {
            _process = Process.Start(new ProcessStartInfo(words[0], words.Skip(1)))!;
        }
        catch (Win32Exception e)
        {
            throw new CliException(ExitCodes.Usage, $"'{Text.Printable(words[0])}' cannot be run: {e.Message}", e);
        }

        // A terminal has sent Ctrl-C to the command already.
        if (Console.IsInputRedirected)
            PassOn(PosixSignal.SIGINT, Signals.Interrupt);
        PassOn(PosixSignal.SIGTERM, Signals.Terminate);
        PassOn(PosixSignal.SIGHUP, Signals.HangUp);
    }

    /// <returns>Its exit code; 128 and the number of the signal that ended it.</returns>
    public async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        foreach (var signal in _signals)
            signal.Dispose();
        _process.Dispose();
    }

    private void PassOn(PosixSignal signal, int number) => _signals.Add(PosixSignalRegistration.Create(signal, context =>
    {
        if (_process.HasExited)
            return;
        context.Cancel = true;
        _ = Signals.Send(_process.Id, number);
    }));
}
