namespace OrleansCache.Testing;

/// <summary>The CLI, run as a user runs it.</summary>
public static class CacheCli
{
    /// <summary>Pushes to a server with its own token. Waits for the end, whatever it is.</summary>
    /// <param name="arguments">Paths and options.</param>
    public static async Task<ProcessResult> PushAsync(ServerProcess server, IEnumerable<string> arguments, string? input = null)
    {
        var all = PushArguments(server, arguments);
        await using var run = ProcessRunner.Start(BuiltProgram.Cli, all, Environment(server.Data), input);
        var code = await run.WaitAsync(TimeSpan.FromMinutes(5));
        return new ProcessResult($"orleans-cache {string.Join(' ', all)}", code, run.Output, run.Errors);
    }

    /// <inheritdoc cref="PushAsync(ServerProcess, IEnumerable{string}, string?)"/>
    public static Task<ProcessResult> PushAsync(ServerProcess server, params string[] arguments) => PushAsync(server, arguments, null);

    /// <summary>Starts a push that the test can kill or interrupt.</summary>
    public static ProcessRunner StartPush(ServerProcess server, params string[] arguments) =>
        ProcessRunner.Start(BuiltProgram.Cli, PushArguments(server, arguments), Environment(server.Data));

    /// <summary>Runs the CLI with exactly these arguments and no configuration.</summary>
    public static async Task<ProcessResult> RunAsync(params string[] arguments) =>
        await ProcessRunner.RunAsync(BuiltProgram.Cli, arguments, Environment("/nowhere"), timeout: TimeSpan.FromMinutes(5));

    /// <summary>No configuration but the test's own: neither a file nor a variable of whoever runs the tests.</summary>
    public static Dictionary<string, string?> Environment(string home)
    {
        var environment = System.Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => name.StartsWith("ORLEANS_CACHE_", StringComparison.Ordinal))
            .ToDictionary(name => name, string? (_) => null);
        environment["XDG_CONFIG_HOME"] = Path.Combine(home, "no-config");
        return environment;
    }

    private static string[] PushArguments(ServerProcess server, IEnumerable<string> arguments) =>
        ["push", "--url", server.Url.ToString(), "--token-file", server.TokenFile, .. arguments];
}
