using System.Globalization;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Http;

/// <summary>The routes of tokens.</summary>
internal sealed partial class Api
{
    public Task<CreatedToken> CreateTokenAsync(CreateToken token, CancellationToken cancellationToken) =>
        SendAsync("making the token", HttpMethod.Post, "/tokens", Body(token, ProtocolJson.Default.CreateToken),
            ProtocolJson.Default.CreatedToken, cancellationToken);

    public Task<TokenList> TokensAsync(bool revokedToo, CancellationToken cancellationToken) =>
        SendAsync("asking for the tokens", HttpMethod.Get, revokedToo ? "/tokens?revoked=true" : "/tokens", null,
            ProtocolJson.Default.TokenList, cancellationToken);

    public Task RevokeTokenAsync(long id, CancellationToken cancellationToken) =>
        retry.RunAsync("revoking the token", c => AttemptAsync<Token>(HttpMethod.Delete,
            string.Create(CultureInfo.InvariantCulture, $"/tokens/{id}"), null, null, null, c), cancellationToken);
}
