using OrleansCache.Contracts;
using OrleansCache.Gateway.Tls;

namespace OrleansCache.Gateway.Auth;

/// <summary>Finds the credential behind a request's secret; nothing else does.</summary>
public interface ICredentials
{
    /// <summary>Null: the secret is not accepted, nor with a <see cref="Credential.Refusal"/>. Without a secret never null.</summary>
    /// <param name="secret">The bearer token or the Basic password; null when the request has none.</param>
    /// <param name="cache">The cache of the request, where a publisher may be blocked.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: nothing can be known now.</exception>
    ValueTask<Credential?> FindAsync(string? secret, CacheName cache, CancellationToken cancellationToken);

    /// <summary>The credential of a client that shows a certificate, with a <see cref="Credential.Refusal"/> where it is let in for
    /// nothing; null: certificates let nobody in.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: nothing can be known now.</exception>
    ValueTask<Credential?> FindByCertificateAsync(ClientCertificate certificate, CacheName cache, CancellationToken cancellationToken) =>
        ValueTask.FromResult<Credential?>(null);

    /// <summary>True when the secret is accepted without a lookup.</summary>
    bool IsKnown(string secret);
}
