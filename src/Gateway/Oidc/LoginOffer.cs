using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Oidc;

/// <summary>What <c>GET /v1/login</c> tells of the issuers.</summary>
internal static class LoginOffer
{
    public static LoginInfo Of(IReadOnlyList<Issuer> issuers, Uri publicUrl) => new()
    {
        // Of the first one that jobs come from.
        Audience = issuers.OrderBy(i => i.Login is not null).Select(AudienceOf).FirstOrDefault() ?? publicUrl.OriginalString.TrimEnd('/'),
        Issuers = [.. issuers.Select(i => new LoginIssuer
        {
            Name = i.Name,
            Issuer = i.Url,
            Audience = AudienceOf(i),
            ClientId = i.Login?.ClientId,
            Scopes = i.Login?.Scopes,
        })],
    };

    // What a job asks for; the tokens of people name the client.
    private static string AudienceOf(Issuer issuer) =>
        issuer.Audiences.FirstOrDefault(a => a != issuer.Login?.ClientId) ?? issuer.Audiences[0];
}
