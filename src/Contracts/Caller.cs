namespace OrleansCache.Contracts;

/// <summary>
/// Who asks. A push, and what it brings, belongs to its publisher; publishers of a trust group rely on what one of them has uploaded,
/// others only on what a server has read.
/// </summary>
/// <param name="Publisher">Stable over requests, processes and restarts, and nothing secret: <c>token:7</c>.</param>
/// <param name="Group">The trust group.</param>
/// <param name="Rank">What a higher rank declares supersedes what a lower one has published: 0, or 1 for who may pin.</param>
/// <param name="IsAdmin">May do with every push what its publisher may.</param>
/// <param name="Address">Where the request came from, for the audit log; null: not from the network.</param>
public sealed record Caller(string Publisher, string Group, int Rank, bool IsAdmin = false, string? Address = null)
{
    /// <summary>Who sent no credential; the caller of services that were given none.</summary>
    public static Caller Anonymous { get; } = new("anonymous", "anonymous", 0);

    /// <summary>This process, for work that goes on without a request.</summary>
    public static Caller Server { get; } = new("server", "server", 0, IsAdmin: true);

    /// <summary>Asks by a server from before there were publishers, whose messages name none.</summary>
    public static Caller Unnamed { get; } = Anonymous with { IsUnnamed = true };

    private bool IsUnnamed { get; init; }

    /// <summary>Keys of idempotency are each publisher's own.</summary>
    public string Scope(OperationId operation) => IsUnnamed ? operation.Value : $"{Publisher} {operation}";
}
