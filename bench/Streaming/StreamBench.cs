using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench.Streaming;

/// <summary>
/// The benchmark <c>stream</c>: <c>push --stdin</c> gets one new path a second. How long it takes until readers see each, beside a
/// <c>push</c> of one path that is started for it alone, and whether the client's memory grows.
/// </summary>
internal static class StreamBench
{
    /// <summary>Seconds until a path is readable, and mebibytes that the second half of the paths adds.</summary>
    private const double Longest = 3, Growth = 8;

    private const int Alone = 20;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <returns>The program's exit code: 1 when it was to check the targets and one is missed.</returns>
    public static async Task<int> RunAsync(BenchOptions options)
    {
        await using var server = await CacheServer.StartAsync(options.Server, Path.Combine(options.Work, "data"));
        using var http = new HttpClient { BaseAddress = new Uri(server.Url) };
        string[] place = ["--url", server.Url, "--token-file", server.TokenFile];

        var alone = new List<double>();
        for (var i = 0; i < Alone; i++)
        {
            var path = await AddAsync(options);
            var begun = Stopwatch.GetTimestamp();
            await RunAsync(options.Client, ["push", .. place, path]);
            alone.Add(await SeenAsync(http, path, begun));
        }

        using var client = Process.Start(new ProcessStartInfo(options.Client, ["push", "--stdin", .. place])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        client.OutputDataReceived += static (_, _) => { };
        client.BeginOutputReadLine();
        var (looks, memory) = (new List<Task<double>>(), new ConcurrentBag<(int Path, double Megabytes)>());
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < options.Paths; i++)
        {
            var path = await AddAsync(options);
            if (Interval * i - clock.Elapsed is { Ticks: > 0 } left)
                await Task.Delay(left);
            await client.StandardInput.WriteLineAsync(path);
            await client.StandardInput.FlushAsync();
            looks.Add(SeenAsync(http, path, Stopwatch.GetTimestamp()));
            memory.Add((i, ProcFs.Megabytes(client.Id)));
        }

        var seen = await Task.WhenAll(looks);
        client.StandardInput.Close();
        await client.WaitForExitAsync();
        if (client.ExitCode != 0)
            throw new BenchException($"push --stdin ended with {client.ExitCode}.");
        return await ReportAsync(options, alone, seen, memory);
    }

    private static async Task<int> ReportAsync(BenchOptions options, List<double> alone, double[] seen,
        IReadOnlyCollection<(int Path, double Megabytes)> memory)
    {
        // Of a quarter and of the last quarter: the first paths are those that the runtime compiles with.
        double Median(int quarter) => Stats.Median([.. memory.Where(m => m.Path * 4 / options.Paths == quarter).Select(m => m.Megabytes)]);
        Target[] targets =
        [
            new("a path is readable after it was written to standard input, at most", seen.Max(), Longest, "s"),
            new("memory of the client, last quarter of the paths more than the second", Median(3) - Median(1), Growth, "MiB"),
        ];
        var output = options.Json ? Console.Error : Console.Out;
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"{seen.Length} paths, one each {Interval.TotalSeconds:0} s. Seconds until each is readable.\n\n{"",-18}{"p50",8}{"p99",8}{"most",8}"));
        foreach (var (name, all) in ((string, List<double>)[])[("push --stdin", [.. seen]), ("a push for each", alone)])
        {
            await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"{name,-18}{Stats.Median(all),8:0.00}{Stats.Percentile(all, 99),8:0.00}{all.Max(),8:0.00}"));
        }

        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"ratio p50 {Stats.Median([.. seen]) / Stats.Median(alone):0.00}; memory {Median(0):0}, {Median(1):0}, {Median(2):0}, {Median(3):0} MiB by quarters\n"));
        foreach (var target in targets)
            await output.WriteLineAsync(target.ToString());
        if (options.Json)
            await Console.Out.WriteLineAsync(new JsonObject { ["targets"] = new JsonArray([.. targets.Select(t => t.ToJson())]) }.ToJsonString());
        return options.Check && targets.Any(t => !t.IsMet) ? 1 : 0;
    }

    /// <summary>A new store path of some kilobytes.</summary>
    private static async Task<string> AddAsync(BenchOptions options)
    {
        var file = Path.Combine(options.Work, "streamed");
        await File.WriteAllTextAsync(file, string.Concat(Enumerable.Range(0, 100).Select(_ => $"{Guid.NewGuid()}\n")));
        return (await RunAsync("nix-store", ["--add", file])).Trim();
    }

    private static async Task<double> SeenAsync(HttpClient http, string path, long begun)
    {
        var narInfo = new Uri($"{Path.GetFileName(path)[..32]}.narinfo", UriKind.Relative);
        while (true)
        {
            using var answer = await http.GetAsync(narInfo);
            var after = Stopwatch.GetElapsedTime(begun);
            if (answer.StatusCode == HttpStatusCode.OK)
                return after.TotalSeconds;
            if (after > Patience)
                throw new BenchException($"{path} is not readable after {Patience.TotalSeconds} s.");
            // A reader has no other way than to ask again.
            await Task.Delay(Look);
        }
    }

    private static async Task<string> RunAsync(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // What Nix says of its configuration, once a second.
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginErrorReadLine();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new BenchException($"{program} ended with {process.ExitCode}.");
    }
}
