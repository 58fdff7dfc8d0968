using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace OrleansCache.Testing;

/// <summary>A program that runs beside the test: its output is kept, and it can be killed, stopped and continued.</summary>
/// <remarks>It is killed on dispose, and also when the test process is killed.</remarks>
public sealed partial class ProcessRunner : IAsyncDisposable
{
    private const int SigInt = 2, SigKill = 9, SigTerm = 15, SigCont = 18, SigStop = 19;

    private readonly Process _process;
    private readonly Capture _output = new();
    private readonly Capture _errors = new();
    private readonly IDisposable _atExit;

    private ProcessRunner(ProcessStartInfo start, string signalAtExit)
    {
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => _output.Add(line.Data);
        _process.ErrorDataReceived += (_, line) => _errors.Add(line.Data);
        _process.Start();
        var pid = _process.Id;
        // Waits for its end (or for what is left of it, which nobody may collect) so that its folder can be deleted next.
        _atExit = Reaper.AtExit(
            $"kill -{signalAtExit} {pid}; i=0; while grep -qs '^State:.[^Z]' /proc/{pid}/status && [ $((++i)) -lt 50 ]; do sleep 0.1; done");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Pid => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>What it has printed so far on standard output.</summary>
    public string Output => _output.ToString();

    /// <summary>What it has printed so far on standard error.</summary>
    public string Errors => _errors.ToString();

    /// <summary>Starts a program. Standard input is closed, or gets <paramref name="input"/>.</summary>
    /// <param name="environment">Added to ours; null as a value removes a variable.</param>
    /// <param name="signalAtExit">What it gets when the test process ends before it is disposed.</param>
    public static ProcessRunner Start(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null,
        string? input = null,
        string? folder = null,
        string signalAtExit = "KILL")
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            if (value is null) start.Environment.Remove(name);
            else start.Environment[name] = value;
        var runner = new ProcessRunner(start, signalAtExit);
        try
        {
            runner._process.StandardInput.Write(input ?? "");
            runner._process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading what it was sent; its exit code tells.
        }

        return runner;
    }

    /// <summary>Runs a program to its end. A time-out kills it and throws.</summary>
    public static async Task<ProcessResult> RunAsync(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null,
        string? input = null,
        string? folder = null,
        TimeSpan? timeout = null)
    {
        var all = arguments.ToList();
        await using var runner = Start(program, all, environment, input, folder);
        var exit = await runner.WaitAsync(timeout ?? TimeSpan.FromMinutes(10));
        return new ProcessResult($"{program} {string.Join(' ', all)}", exit, runner.Output, runner.Errors);
    }

    /// <summary>Waits for its end and returns the exit code (128 + signal when it was killed).</summary>
    /// <exception cref="TimeoutException">It did not end in time. It still runs.</exception>
    public async Task<int> WaitAsync(TimeSpan? timeout = null)
    {
        using var limit = new CancellationTokenSource(timeout ?? TimeSpan.FromSeconds(60));
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{_process.StartInfo.FileName} still runs.\n{Output}\n{Errors}");
        }

        return _process.ExitCode;
    }

    /// <summary>
    /// Waits for a line of standard output that fits, and returns it; throws with all output when the program ends before.
    /// </summary>
    public async Task<string> WaitForLineAsync(Func<string, bool> fits, TimeSpan? timeout = null)
    {
        string? found = null;
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                var ended = HasExited;
                // Its last lines may arrive after its end.
                if (ended) await _process.WaitForExitAsync();
                found = Output.Split('\n').FirstOrDefault(fits);
                return found is not null || ended;
            },
            timeout,
            () => $"a line of {_process.StartInfo.FileName}. Output:\n{Output}\n{Errors}");
        return found ?? throw new InvalidOperationException($"{_process.StartInfo.FileName} ended early.\n{Output}\n{Errors}");
    }

    public void Kill9() => Signal(SigKill);

    /// <summary>Asks it to end, as a service manager does.</summary>
    public void Terminate() => Signal(SigTerm);

    /// <summary>What Ctrl-C does.</summary>
    public void Interrupt() => Signal(SigInt);

    /// <summary>SIGSTOP: it stands still, its connections stay open.</summary>
    public void Pause() => Signal(SigStop);

    public void Resume() => Signal(SigCont);

    public async ValueTask DisposeAsync()
    {
        Kill9();
        await _process.WaitForExitAsync();
        _atExit.Dispose();
        _process.Dispose();
    }

    private void Signal(int signal)
    {
        if (!_process.HasExited) _ = Kill(_process.Id, signal);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);

    private sealed class Capture
    {
        private readonly StringBuilder _text = new();

        public void Add(string? line)
        {
            if (line is null) return;
            lock (_text) _text.Append(line).Append('\n');
        }

        public override string ToString()
        {
            lock (_text) return _text.ToString();
        }
    }
}

/// <summary>How a program ended and what it printed.</summary>
public sealed record ProcessResult(string Command, int ExitCode, string Output, string Errors)
{
    /// <summary>This result when the exit code is 0, else an exception that shows everything.</summary>
    public ProcessResult OrThrow() => ExitCode == 0
        ? this
        : throw new InvalidOperationException($"{Command}\nended with {ExitCode}.\n{Output}\n{Errors}");

    /// <summary>The lines of standard output that are not empty.</summary>
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
