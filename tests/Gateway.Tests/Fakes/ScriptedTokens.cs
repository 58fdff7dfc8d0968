using OrleansCache.Contracts;
using OrleansCache.Core.Tokens;

namespace OrleansCache.Gateway.Tests;

/// <summary>Tokens that are good as long as they are listed here.</summary>
internal sealed class ScriptedTokens : ITokens
{
    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public Dictionary<string, ValidToken> Good { get; } = [];

    /// <summary>How often a secret was asked about.</summary>
    public int Asked { get; private set; }

    public CreateToken? Created { get; private set; }

    public long? Revoked { get; private set; }

    /// <summary>Makes a secret good for these scopes.</summary>
    public string Add(params TokenScope[] scopes) => Add(new ValidToken(Good.Count + 1, CacheName.Default, scopes, null));

    public string Add(ValidToken token)
    {
        var secret = TokenSecret.New();
        Good[secret] = token;
        return secret;
    }

    /// <summary>Who made or revoked a token last.</summary>
    public Caller? Caller { get; private set; }

    public ITokens As(Caller caller)
    {
        Caller = caller;
        return this;
    }

    public Task<CreatedToken> CreateAsync(CacheName cache, CreateToken request, CancellationToken cancellationToken)
    {
        Created = request;
        return Answer(new CreatedToken
        {
            Secret = "oct_secret",
            Token = new Token
            {
                Id = 7,
                Name = request.Name,
                Scopes = request.Scopes,
                Pins = request.Pins,
                Created = DateTimeOffset.UnixEpoch
            }
        });
    }

    public Task<TokenList> ListAsync(CacheName cache, bool revokedToo, CancellationToken cancellationToken) =>
        Answer(new TokenList { Tokens = [] });

    public Task RevokeAsync(CacheName cache, long id, CancellationToken cancellationToken)
    {
        Revoked = id;
        return Answer(true);
    }

    public Task<ValidToken?> FindAsync(string secret, CancellationToken cancellationToken)
    {
        Asked++;
        return Answer(Good.GetValueOrDefault(secret));
    }

    private Task<T> Answer<T>(T value) => Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(value);
}
