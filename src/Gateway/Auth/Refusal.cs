namespace OrleansCache.Gateway.Auth;

/// <summary>Why a credential is good for nothing.</summary>
public enum RefusalKind
{
    /// <summary>It proves no identity: 401.</summary>
    Unproven,

    /// <summary>The identity is proven, and no rule lets it in: 403, except for what anybody may do.</summary>
    Unentitled,

    /// <summary>An admin has blocked the publisher: 403.</summary>
    Blocked,

    /// <summary>The keys of its issuer were never fetched, so nothing can be told of it yet: 503.</summary>
    Undecided,
}

/// <param name="Kind">How it is answered.</param>
/// <param name="Why">For whoever sent it: what is wrong, and what to do.</param>
public sealed record Refusal(RefusalKind Kind, string Why);
