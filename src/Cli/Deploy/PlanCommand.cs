using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace OrleansCache.Cli.Deploy;

/// <summary>A command of the plan, run by the shell with what it deploys in its environment and the output of this program.</summary>
internal sealed class PlanCommand(DeployPlan plan, string text, string path, string? former, long? revision)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    /// <summary>Null: it succeeded; else why not.</summary>
    /// <param name="started">Is told its process, before it can have done much.</param>
    public async Task<string?> RunAsync(string what, TimeSpan? limit, Action<int>? started)
    {
        // Ctrl-C is sent to all processes of a terminal, and a switch is not to end in the middle.
        var start = new ProcessStartInfo("/bin/sh", ["-c", $"trap '' INT\n{Located()}"])
        {
            WorkingDirectory = "/",
            RedirectStandardInput = true,
        };
        foreach (var (name, value) in ((string, string?)[])[("PIN", plan.Pin.ToString()), ("PATH", path), ("FORMER_PATH", former),
            ("REVISION", revision?.ToString(CultureInfo.InvariantCulture)), ("PROFILE", plan.Profile)])
            start.Environment[$"ORLEANS_CACHE_{name}"] = value ?? "";
        try
        {
            using var process = Process.Start(start)!;
            process.StandardInput.Close();
            started?.Invoke(process.Id);
            using var time = limit is { } most ? new CancellationTokenSource(most) : new CancellationTokenSource();
            try
            {
                await process.WaitForExitAsync(time.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None);
                return $"{what} had not ended when its time was up";
            }

            return process.ExitCode == 0 ? null
                : string.Create(CultureInfo.InvariantCulture, $"{what} ended with code {process.ExitCode}");
        }
        catch (Win32Exception e)
        {
            return $"{what} cannot be run: {e.Message}";
        }
    }

    /// <summary>When a process began, in ticks since boot; null: there is none of that number.</summary>
    public static string? StartOf(int process)
    {
        try
        {
            // The name, in parentheses, may have blanks; a process that nobody has waited for is of no concern.
            var fields = File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1].Split(' ');
            return fields[0] is "Z" or "X" ? null : fields[19];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Waits for the end of a command that a killed run has left behind.</summary>
    public static async Task WaitForEndAsync(int process, string? started, Action<string> log, CancellationToken cancellationToken)
    {
        if (started is not null && StartOf(process) == started)
            log(string.Create(CultureInfo.InvariantCulture,
                $"waiting for the end of process {process}, which a run has left that was killed in the middle of a switch"));
        // Nothing tells the end of a process that is not our child, so it is looked for.
        while (started is not null && StartOf(process) == started)
            await Task.Delay(Pause, cancellationToken);
    }

    // A first word such as bin/switch-to-configuration is the path's own, where it has such a program.
    private string Located()
    {
        var word = text.TrimStart().Split([' ', '\t', '\n'], 2)[0];
        return word.Contains('/', StringComparison.Ordinal) && word[0] is not ('/' or '.' or '~' or '$' or '"' or '\'')
            && File.Exists(Path.Combine(path, word)) ? $"{path}/{text.TrimStart()}" : text;
    }
}
