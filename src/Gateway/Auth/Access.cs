namespace OrleansCache.Gateway.Auth;

/// <summary>What a route asks of a request. Every route says it with <see cref="AccessExtensions.Needs{T}"/>; one that does not is closed.</summary>
public enum Access
{
    /// <summary>Anybody.</summary>
    Open,

    /// <summary>Anybody, but with <c>--private</c> only who has a token.</summary>
    Read,

    /// <summary>A token.</summary>
    Write,

    /// <summary>A signed URL, which the route itself verifies.</summary>
    SignedUrl,
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
