using OrleansCache.Cli.Common;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Tokens;

/// <summary>The token of a stored login, refreshed where its issuer allows that.</summary>
internal sealed class LoginToken(LoginStore store, Uri url, IssuerClient issuers, TimeProvider time) : RenewableToken(time)
{
    private static readonly TimeSpan Early = TimeSpan.FromMinutes(2);

    private readonly TimeProvider _time = time;
    private string? _given;

    public override string Name => $"the login at {LoginStore.KeyOf(url)}";

    protected override async Task<string> LoadAsync(CancellationToken cancellationToken)
    {
        var login = Find();
        if (IsNews(login))
            return _given = login.Token;
        // A refresh token works once, so one process uses it and the others read what came of it.
        using var held = await store.LockAsync(cancellationToken);
        login = Find();
        if (IsNews(login))
            return _given = login.Token;
        if (login is not { RefreshToken: { } refresh, Issuer: { } issuer, ClientId: { } client })
            return login.Token;
        var answer = await issuers.RefreshAsync(issuer, client, refresh, cancellationToken);
        // Without an ID token the former one stays: nothing else says who the person is. The refresh token has been used all the same.
        var renewed = login with
        {
            Token = answer.IdToken is { } token ? Check(token, $"What {Text.Printable(issuer)} answered") : login.Token,
            RefreshToken = answer.RefreshToken ?? refresh,
        };
        store.PutLocked(renewed);
        return answer.IdToken is not null || !(JwtExpiry.Of(login.Token) <= _time.GetUtcNow()) ? _given = renewed.Token
            : throw new CliException(ExitCodes.Refused,
                $"{Text.Printable(issuer)} gives no new ID token, and the former one has expired: log in again with 'orleans-cache login'.")
            { IsComplete = true };
    }

    private bool IsNews(Login login) => login.Token != _given && !(JwtExpiry.Of(login.Token) - _time.GetUtcNow() < Early);

    private Login Find() => store.Find(url)
        ?? throw new CliException(ExitCodes.Refused, $"The login at {LoginStore.KeyOf(url)} is gone: log in again.") { IsComplete = true };
}
