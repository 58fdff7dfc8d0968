namespace OrleansCache.Contracts;

/// <summary>Who a request is, and what it may do.</summary>
public sealed record WhoAmI
{
    /// <summary>The publisher, such as <c>token:7</c> or <c>oidc:ci/1296269</c>; <c>anonymous</c> without a credential.</summary>
    public required string Subject { get; init; }

    /// <summary><c>anonymous</c>, <c>file</c>, <c>token</c>, <c>oidc</c> or <c>cert</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>What it may do where. They add up; an empty list allows nothing.</summary>
    public required IReadOnlyList<AllowedCaches> Caches { get; init; }

    /// <summary>Of an identity: the rules that matched.</summary>
    public IReadOnlyList<string>? Rules { get; init; }

    /// <summary>When the credential ends; absent: not by itself.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>The trust group in the cache <c>default</c>; <see cref="AllowedCaches.Group"/> tells that of the others.</summary>
    public required string Group { get; init; }
}

/// <summary>What one permit of a credential allows.</summary>
public sealed record AllowedCaches
{
    /// <summary>Names of caches, in which <c>*</c> stands for any characters and <c>?</c> for one.</summary>
    public required IReadOnlyList<string> Caches { get; init; }

    public required IReadOnlyList<TokenScope> Scopes { get; init; }

    /// <summary>With <see cref="TokenScope.Pin"/>: the pins that it may change; absent: all.</summary>
    public IReadOnlyList<PinPattern>? Pins { get; init; }

    /// <summary>1 for who may pin in these caches, else 0.</summary>
    public required int Rank { get; init; }

    /// <summary>Of an identity: the rule that allows this.</summary>
    public string? Rule { get; init; }

    /// <summary>The trust group of what is pushed and pinned there; absent: no other permit's, or the publisher alone.</summary>
    public string? Group { get; init; }
}

/// <summary>Asks what a token of an issuer would be let in for.</summary>
public sealed record CheckAccess
{
    public required string Token { get; init; }

    /// <summary>Leaves out the token, so that no log has it by accident.</summary>
    public override string ToString() => nameof(CheckAccess);
}

/// <summary>What the server makes of a token of an issuer.</summary>
public sealed record AccessChecked
{
    /// <summary>Why the token proves nothing; absent: it is valid. The rules are told all the same, of what the token says.</summary>
    public string? Refused { get; init; }

    /// <summary>The publisher; absent: no rule matches.</summary>
    public string? Subject { get; init; }

    public DateTimeOffset? Expires { get; init; }

    /// <summary>Every rule, in the order of the file.</summary>
    public required IReadOnlyList<RuleChecked> Rules { get; init; }
}

/// <summary>A rule, and the claim for which it does not match.</summary>
public sealed record RuleChecked
{
    public required string Issuer { get; init; }

    public required string Rule { get; init; }

    public required bool Matched { get; init; }

    /// <summary>The first claim that the rule wants otherwise; absent: the rule matches.</summary>
    public string? Claim { get; init; }

    /// <summary>The patterns of which the claim has to match one; empty: any value will do, and the token has none.</summary>
    public IReadOnlyList<string>? Wanted { get; init; }

    /// <summary>What the token has; absent: nothing that can be compared.</summary>
    public IReadOnlyList<string>? Found { get; init; }
}
