using System.Text.Json;

namespace OrleansCache.Contracts;

/// <summary>One action: who did it, what, when, and from where.</summary>
public sealed record AuditLine
{
    public required DateTimeOffset At { get; init; }

    /// <summary>The publisher, such as <c>token:7</c>; <c>server</c> for what a server does by itself.</summary>
    public required string Publisher { get; init; }

    /// <summary>The address that the request came from; absent: there was no request.</summary>
    public string? Address { get; init; }

    /// <summary>Such as <c>commit</c> or <c>pin.move</c>; <c>docs/operations.md</c> lists them.</summary>
    public required string Action { get; init; }

    /// <summary>The pin, token or run that the action changed.</summary>
    public string? Subject { get; init; }

    /// <summary>
    /// The store path concerned, <c>hash-name</c>: of a commit the first root, of a pin its new path. Only the hash when the name is
    /// unknown.
    /// </summary>
    public string? Path { get; init; }

    /// <summary>More about the action, in a form that depends on it.</summary>
    public JsonElement? Detail { get; init; }
}

/// <summary>Lines of the audit log, newest first.</summary>
public sealed record AuditPage
{
    public required IReadOnlyList<AuditLine> Lines { get; init; }

    /// <summary>The <c>after</c> of the next page, as there may be older lines. A page with it may be empty.</summary>
    public string? Next { get; init; }
}
