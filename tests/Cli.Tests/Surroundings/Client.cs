using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Cli.Tests.Surroundings;

/// <summary>
/// The program as a process of its own: the one built beside these tests, or that of the folder that <c>ORLEANS_CACHE_TEST_PROGRAMS</c>
/// names, such as an older version's.
/// </summary>
internal static class Client
{
    internal static string Program { get; } = Path.Combine(Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_PROGRAMS")
        is { Length: > 0 } folder ? folder : AppContext.BaseDirectory, "orleans-cache");

    /// <summary>Runs it with no configuration but the test's own.</summary>
    public static Task<ProcessResult> RunAsync(IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null,
        string? input = null) =>
        ProcessRunner.RunAsync(Program, arguments, Surrounded(environment), input, timeout: TimeSpan.FromMinutes(2));

    /// <summary>
    /// Runs a line of a shell in which <c>$CLIENT</c> is the program. A shell closes descriptors and deletes folders under it.
    /// </summary>
    public static Task<ProcessResult> ShellAsync(string line, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var all = Surrounded(environment);
        all["CLIENT"] = Program;
        return ProcessRunner.RunAsync("bash", ["-c", line], all, timeout: TimeSpan.FromMinutes(2));
    }

    /// <summary>The exit code, a text that has the words, and neither a stack trace nor an abort.</summary>
    public static void AssertTold(ProcessResult run, int exitCode, params string[] words)
    {
        AssertNoTrace(run);
        Assert.True(run.ExitCode == exitCode, $"{run.Command} ended with {run.ExitCode}, not {exitCode}.\n{run.Output}\n{run.Errors}");
        foreach (var word in words)
            Assert.Contains(word, run.Output + run.Errors, StringComparison.Ordinal);
    }

    public static void AssertNoTrace(ProcessResult run)
    {
        Assert.DoesNotContain("   at ", run.Output + run.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("should not have happened", run.Output + run.Errors, StringComparison.Ordinal);
        Assert.True(run.ExitCode is >= 0 and <= 4 or 130, $"{run.Command} ended with {run.ExitCode}.\n{run.Output}\n{run.Errors}");
    }

    internal static Dictionary<string, string?> Surrounded(IReadOnlyDictionary<string, string?>? more)
    {
        var environment = new Dictionary<string, string?> { ["XDG_CONFIG_HOME"] = "/nowhere" };
        foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>())
        {
            if (name.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal) || name.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase))
                environment[name] = null;
        }

        foreach (var (name, value) in more ?? new Dictionary<string, string?>())
            environment[name] = value;
        return environment;
    }
}
