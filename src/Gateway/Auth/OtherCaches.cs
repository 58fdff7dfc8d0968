using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Auth;

/// <summary>What a request's credential is good for in another cache than the one that its route names.</summary>
/// <param name="find">The credential there.</param>
/// <param name="privacy">See <see cref="CachePrivacy"/>.</param>
internal sealed class OtherCaches(Func<CacheName, CancellationToken, ValueTask<Credential?>> find, CachePrivacy privacy)
{
    /// <summary>Who may not read a private cache learns no more of it than of one that is not there.</summary>
    /// <exception cref="CacheProblemException"><see cref="ProblemKind.Forbidden"/>; or, to who may read all caches,
    /// <see cref="ProblemKind.UnknownCache"/>.</exception>
    public async Task DemandReadAsync(CacheName cache, CancellationToken cancellationToken)
    {
        var credential = (await find(cache, cancellationToken))?.In(cache);
        if (credential is { Refusal: { Kind: not RefusalKind.Unproven } refusal })
            throw new CacheProblemException(ProblemKind.Forbidden, refusal.Why);
        var looks = credential is { Refusal: null, Scopes: not Scopes.None };
        var isPrivate = await privacy(cache, looks, cancellationToken);
        if (isPrivate == false)
            return;
        if (credential is not { Refusal: null } || !credential.Allows(Access.Read))
            throw new CacheProblemException(ProblemKind.Forbidden,
                $"The token may not read cache '{cache}', or there is none of that name: it takes the scope 'read' there.");
        if (isPrivate is null)
            throw new CacheProblemException(ProblemKind.UnknownCache, $"There is no cache '{cache}' on this server.");
    }
}

internal static class OtherCachesExtensions
{
    /// <summary>Of a route with <see cref="Access.Promote"/>.</summary>
    public static OtherCaches OtherCaches(this HttpContext http) =>
        http.Features.Get<OtherCaches>() ?? throw new InvalidOperationException("The route does not take from other caches.");
}
