namespace OrleansCache.Gateway.Auth;

/// <summary>
/// What a route requires of a request. Every route declares it with <see cref="AccessExtensions.Needs{T}"/>; a route without it is closed.
/// </summary>
public enum Access
{
    /// <summary>Anybody.</summary>
    Open,

    /// <summary>Anybody, about themselves. A credential that is sent must be good.</summary>
    Self,

    /// <summary>A signed URL, which the route itself verifies.</summary>
    SignedUrl,

    /// <summary>Anybody; with <c>--private</c> only credentials with <see cref="Scopes.Read"/>, or <see cref="Scopes.Deploy"/>.</summary>
    Read,

    /// <summary>
    /// As <see cref="Read"/>, and credentials with <see cref="Scopes.Push"/>: stock Nix asks for what it is going to write.
    /// </summary>
    ReadOrPush,

    /// <summary>Credentials with <see cref="Scopes.Push"/>.</summary>
    Push,

    /// <summary>Credentials with <see cref="Scopes.Pin"/>.</summary>
    Pin,

    /// <summary>Credentials with <see cref="Scopes.Gc"/>.</summary>
    Gc,

    /// <summary>Credentials with <see cref="Scopes.Promote"/>.</summary>
    Promote,

    /// <summary>Credentials with <see cref="Scopes.Deploy"/>.</summary>
    Deploy,

    /// <summary>Credentials with <see cref="Scopes.Pin"/> or <see cref="Scopes.Deploy"/>: whoever deploys looks at the pin.</summary>
    PinOrDeploy,

    /// <summary>Credentials with <see cref="Scopes.Admin"/>.</summary>
    Admin,

    /// <summary>Credentials with <see cref="Scopes.Admin"/> in all caches.</summary>
    Operator,
}

public static class AccessExtensions
{
    public static T Needs<T>(this T route, Access access) where T : IEndpointConventionBuilder
    {
        route.Add(endpoint => endpoint.Metadata.Add(new AccessMetadata(access)));
        return route;
    }
}

/// <summary>The access that a route declared.</summary>
public sealed record AccessMetadata(Access Access);
