using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench.Hook;

/// <summary>
/// The benchmark <c>hook</c>: how long a build waits for its post-build-hook while all processors are busy, beside <c>/bin/true</c>, which
/// is started in turn and in the same way. The client is the one that is shipped (<c>eng/build --aot</c>).
/// </summary>
internal static class HookBench
{
    private const int Warm = 50, PerRun = 400;

    /// <summary>Milliseconds that 99 of 100 builds wait at most.</summary>
    private const double Limit = 20;

    /// <returns>The program's exit code: 1 when it was to check the target and it is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        var queue = Path.Combine(options.Work, "queue");
        var environment = new Dictionary<string, string> { ["ORLEANS_CACHE_QUEUE"] = queue };
        var (hook, nothing) = (new List<double>(), new List<double>());
        var busy = Enumerable.Range(0, Environment.ProcessorCount).Select(_ => Start("/bin/sh", ["-c", "while :; do :; done"], [])).ToList();
        try
        {
            for (var i = 0; i < Warm + options.Runs * PerRun; i++)
            {
                environment["OUT_PATHS"] = string.Create(CultureInfo.InvariantCulture, $"/nix/store/{i:D32}-built");
                var (one, other) = (await MeasureAsync(options.Client, ["hook"], environment), await MeasureAsync("/bin/true", [], environment));
                if (i < Warm)
                    continue;
                hook.Add(one);
                nothing.Add(other);
            }
        }
        finally
        {
            foreach (var process in busy)
            {
                process.Kill();
                process.Dispose();
            }
        }

        var queued = Directory.EnumerateFiles(Path.Combine(queue, "new")).Count();
        if (queued != hook.Count + Warm)
            throw new BenchException($"{hook.Count + Warm} hooks were run, and {queued} builds are queued.");
        return await ReportAsync(options, hook, nothing);
    }

    private static async Task<int> ReportAsync(BenchOptions options, List<double> hook, List<double> nothing)
    {
        var target = new Target("a build waits for its hook, p99", Stats.Percentile(hook, 99), Limit, "ms");
        var output = options.Json ? Console.Error : Console.Out;
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"{hook.Count} builds, {Environment.ProcessorCount} processors, all busy. Milliseconds from start to end.\n\n" +
            $"{"",-12}{"p50",8}{"p99",8}{"most",8}"));
        foreach (var (name, all) in (ReadOnlySpan<(string, List<double>)>)[("hook", hook), ("/bin/true", nothing)])
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name,-12}{Stats.Median(all),8:0.0}{Stats.Percentile(all, 99),8:0.0}{all.Max(),8:0.0}"));
        }

        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"ratio p50 {Stats.Median(hook) / Stats.Median(nothing):0.00}, p99 {Stats.Percentile(hook, 99) / Stats.Percentile(nothing, 99):0.00}\n"));
        await output.WriteLineAsync(target.ToString());
        if (options.Json)
            await Console.Out.WriteLineAsync(new JsonObject { ["targets"] = new JsonArray(target.ToJson()) }.ToJsonString());
        return options.Check && !target.IsMet ? 1 : 0;
    }

    private static async Task<double> MeasureAsync(string program, string[] arguments, Dictionary<string, string> environment)
    {
        var begun = Stopwatch.GetTimestamp();
        using var process = Start(program, arguments, environment);
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? Stopwatch.GetElapsedTime(begun).TotalMilliseconds
            : throw new BenchException($"{program} ended with {process.ExitCode}.");
    }

    private static Process Start(string program, string[] arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
