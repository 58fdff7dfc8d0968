namespace OrleansCache.Cli.Common;

/// <summary>The exit codes of the program; docs/cli.md documents them, and they are stable.</summary>
internal static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>The push failed; another try may help.</summary>
    public const int Failed = 1;

    /// <summary>The command line, the configuration or a path is wrong; another try will not help.</summary>
    public const int Usage = 2;

    /// <summary>The server did not answer.</summary>
    public const int Unreachable = 3;

    /// <summary>The server refused the token (401, 403).</summary>
    public const int Refused = 4;

    /// <summary>A deployment failed, and the former one is in place again.</summary>
    public const int RolledBack = 5;

    /// <summary>A deployment failed, and the former one could not be brought back.</summary>
    public const int NotRolledBack = 6;

    /// <summary>Ctrl-C or SIGTERM.</summary>
    public const int Interrupted = 130;
}

/// <summary>An error for the user, printed as it is, in one or a few lines: what, why, what to do.</summary>
internal sealed class CliException(int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>The message says which host, why, and what to do, so nothing needs adding.</summary>
    public bool IsComplete { get; init; }

    /// <summary>A path that was named is not in the local store.</summary>
    public bool IsInvalidPath { get; init; }
}
