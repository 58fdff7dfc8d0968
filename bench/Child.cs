using System.Diagnostics;

namespace OrleansCache.Bench;

/// <summary>A program that ran to its end.</summary>
/// <param name="Cpu">Processor seconds, with those of the programs that it ran itself.</param>
/// <param name="PeakMegabytes">Of the program itself.</param>
internal sealed record ChildRun(double Wall, double Cpu, double PeakMegabytes, string Output)
{
    // Far beyond every measurement: what takes longer retries in vain.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Runs a program. One at a time, or the processor seconds are of all of them.</summary>
    /// <exception cref="BenchException">It did not end with 0.</exception>
    public static async Task<ChildRun> RunAsync(string program, IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;
        var cpu = ProcFs.EndedChildrenCpu();
        var begun = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        var ended = process.WaitForExitAsync();
        var peak = 0.0;
        // Sampled: /proc forgets a process's peak when it ends.
        while (await Task.WhenAny(ended, Task.Delay(20)) != ended)
        {
            peak = Math.Max(peak, ProcFs.PeakMegabytes(process.Id));
            if (Stopwatch.GetElapsedTime(begun) > Limit && !process.HasExited)
                process.Kill(entireProcessTree: true);
        }

        var wall = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        var errorText = await errors;
        return process.ExitCode == 0
            ? new ChildRun(wall, ProcFs.EndedChildrenCpu() - cpu, peak, await output)
            : throw new BenchException(
                $"{program} {string.Join(' ', start.ArgumentList.Take(6))} ended with {process.ExitCode}: {errorText}{await output}");
    }
}

/// <summary>What stops a benchmark, in one sentence.</summary>
internal sealed class BenchException(string message) : Exception(message);
