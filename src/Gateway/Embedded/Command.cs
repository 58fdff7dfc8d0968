using System.Diagnostics;

namespace OrleansCache.Gateway.Embedded;

/// <summary>Runs a short command to its end.</summary>
internal static class Command
{
    /// <returns>Its exit code, its standard output, and its standard error.</returns>
    public static (int Code, string Output, string Error) Run(string program, params IEnumerable<string> arguments) =>
        Run(Describe(program, arguments));

    public static (int Code, string Output, string Error) Run(ProcessStartInfo info)
    {
        using var process = Process.Start(info) ?? throw new InvalidOperationException($"{info.FileName} did not start");
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    /// <summary>A command without our standard input, in <c>/</c>, and without variables that steer PostgreSQL's programs.</summary>
    public static ProcessStartInfo Describe(string program, IEnumerable<string> arguments)
    {
        var info = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = "/",
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var name in info.Environment.Keys.Where(n => n.StartsWith("PG", StringComparison.Ordinal)
            || n.StartsWith("LC_", StringComparison.Ordinal)).ToList())
            info.Environment.Remove(name);
        info.Environment["LC_ALL"] = "C";
        return info;
    }
}
