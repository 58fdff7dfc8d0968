namespace OrleansCache.Contracts;

/// <summary>How a client comes by a token of this server: <c>GET /v1/login</c>.</summary>
public sealed record LoginInfo
{
    /// <summary>The audience of a job's token where nothing is known of the issuer: that of the first one that jobs come from.</summary>
    public required string Audience { get; init; }

    /// <summary>The issuers whose tokens are accepted.</summary>
    public required IReadOnlyList<LoginIssuer> Issuers { get; init; }
}

/// <summary>An issuer of tokens, and how a person logs in there.</summary>
public sealed record LoginIssuer
{
    /// <summary>What the server calls it.</summary>
    public required string Name { get; init; }

    /// <summary>Its URL, as in the claim <c>iss</c>.</summary>
    public required string Issuer { get; init; }

    /// <summary>The audience that a job asks for a token for.</summary>
    public required string Audience { get; init; }

    /// <summary>The id of the public client that people log in with; absent: nobody logs in there by hand.</summary>
    public string? ClientId { get; init; }

    /// <summary>What that client asks for; absent: <c>openid</c> and <c>offline_access</c>.</summary>
    public IReadOnlyList<string>? Scopes { get; init; }
}
