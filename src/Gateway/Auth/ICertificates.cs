using OrleansCache.Contracts;
using OrleansCache.Gateway.Tls;

namespace OrleansCache.Gateway.Auth;

/// <summary>Identities that clients prove by certificates.</summary>
public interface ICertificates
{
    /// <summary>The identity behind a certificate; with a <see cref="Credential.Refusal"/> where it is let in for nothing.</summary>
    /// <param name="certificate">One that the authority has vouched for.</param>
    /// <param name="cache">The cache of the request, where a publisher may be blocked.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Unavailable"/>: the database does not answer.</exception>
    ValueTask<Credential> FindAsync(ClientCertificate certificate, CacheName cache, CancellationToken cancellationToken);
}
