using System.Text.Json;

namespace OrleansCache.Contracts;

/// <summary>One thing that was done: who did it, what, when, and from where.</summary>
public sealed record AuditLine
{
    public required DateTimeOffset At { get; init; }

    /// <summary>Who did it, such as <c>token:7</c>; <c>server</c> for what a server does unasked.</summary>
    public required string Publisher { get; init; }

    /// <summary>Where the request came from; absent: from no request.</summary>
    public string? Address { get; init; }

    /// <summary>Such as <c>commit</c> or <c>pin.move</c>; <c>docs/operations.md</c> lists them.</summary>
    public required string Action { get; init; }

    /// <summary>The pin, token or run that it was done to.</summary>
    public string? Subject { get; init; }

    /// <summary>
    /// The store path concerned, <c>hash-name</c>: of a commit its first root, of a pin where it leads. The hash alone where the name is
    /// not known.
    /// </summary>
    public string? Path { get; init; }

    /// <summary>What else is worth telling; depends on the action.</summary>
    public JsonElement? Detail { get; init; }
}

/// <summary>Lines of the audit log, newest first.</summary>
public sealed record AuditPage
{
    public required IReadOnlyList<AuditLine> Lines { get; init; }

    /// <summary>There may be older ones: ask again with this as <c>after</c>. A page with it may be empty.</summary>
    public string? Next { get; init; }
}
