namespace OrleansCache.Cli.Common;

/// <summary>What the program exits with; documented in docs/cli.md and stable.</summary>
internal static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>The push failed; asking again may help.</summary>
    public const int Failed = 1;

    /// <summary>The command line, the configuration or a path is wrong; asking again will not help.</summary>
    public const int Usage = 2;

    /// <summary>The server did not answer.</summary>
    public const int Unreachable = 3;

    /// <summary>The server refused the token (401, 403).</summary>
    public const int Refused = 4;

    /// <summary>Ctrl-C or SIGTERM.</summary>
    public const int Interrupted = 130;
}

/// <summary>An error that is told to the user as it is, in one or a few lines: what, why, what to do.</summary>
internal sealed class CliException(int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>The message says which host, why, and what to do: nothing is to be added.</summary>
    public bool IsComplete { get; init; }
}
