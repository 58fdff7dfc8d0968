namespace OrleansCache.Contracts;

/// <summary>
/// Who sends a request. A push and its uploads belong to a publisher. Publishers of one trust group rely on each other's uploads; others
/// rely only on what a server has verified.
/// </summary>
/// <param name="Publisher">Stable over requests, processes and restarts, and no secret: <c>token:7</c>.</param>
/// <param name="Group">The trust group.</param>
/// <param name="Rank">0, or 1 for publishers who may pin. The declaration of a higher rank supersedes what a lower one has
/// published.</param>
/// <param name="IsAdmin">May do with each push what its publisher may.</param>
/// <param name="Address">Where the request came from, for the audit log; null: not from the network.</param>
public sealed record Caller(string Publisher, string Group, int Rank, bool IsAdmin = false, string? Address = null)
{
    /// <summary>The trust group of the token file's tokens, which may do everything: nobody else gets into it.</summary>
    public const string TokenFileGroup = "file";

    /// <summary>The caller without a credential, and of services that were given no caller.</summary>
    public static Caller Anonymous { get; } = new("anonymous", "anonymous", 0);

    /// <summary>This process, for work without a request.</summary>
    public static Caller Server { get; } = new("server", "server", 0, IsAdmin: true);

    /// <summary>
    /// This process, for what stages agree on. It has no rank, so it supersedes nobody; and with the colon no token gets into its group,
    /// whose uploads it would rely on.
    /// </summary>
    public static Caller Agreement { get; } = new("agreement", "server:agreement", 0);

    /// <summary>The caller of a server from before there were publishers, whose messages name none.</summary>
    public static Caller Unnamed { get; } = Anonymous with { IsUnnamed = true };

    /// <summary>False: in a private cache it may push and not read, and is told only of what its own trust group has put.</summary>
    public bool ReadsOthers { get; init; } = true;

    private bool IsUnnamed { get; init; }

    /// <summary>An idempotency key, made this publisher's own.</summary>
    public string Scope(OperationId operation) => IsUnnamed ? operation.Value : $"{Publisher} {operation}";
}
