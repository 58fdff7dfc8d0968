namespace OrleansCache.Gateway.Auth;

/// <summary>Decides what the secret of a request allows; the one place that does.</summary>
public interface ICredentials
{
    /// <param name="secret">The bearer token or the Basic password; null when the request has none.</param>
    /// <param name="access">What the route asks for.</param>
    bool Allows(string? secret, Access access);
}
