using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>Knows who a request comes from; the one place that does.</summary>
public interface ICredentials
{
    /// <summary>Null when the secret is not one that is accepted; without a secret never null.</summary>
    /// <param name="secret">The bearer token or the Basic password; null when the request has none.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: nothing can be known now.</exception>
    ValueTask<Credential?> FindAsync(string? secret, CancellationToken cancellationToken);

    /// <summary>True when the secret is accepted and nobody has to be asked about it.</summary>
    bool IsKnown(string secret);
}
