using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Tokens;

/// <summary>
/// Tokens as rows of the catalog. No process keeps them in memory: each request costs one indexed read, and a revocation needs no message.
/// </summary>
internal sealed class CatalogTokens(CacheDirectory caches, CatalogDatabase database, Caller? caller = null) : ITokens
{
    private const int MaxNameLength = 64;
    private const int MaxPatterns = 100;
    private const double MaxSeconds = 100 * 366 * 86_400d;

    private const string Columns = "t.id, t.name, t.scopes, t.pins, t.created, t.expires, t.revoked, t.used, t.trust_group";

    private readonly Caller _caller = caller ?? Caller.Server;

    public ITokens As(Caller other) => new CatalogTokens(caches, database, other);

    public async Task<CreatedToken> CreateAsync(CacheName cache, CreateToken request, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        Check(request);
        var secret = TokenSecret.New();
        TokenSecret.TryDigest(secret, out var digest);
        // The second half finds a token that an earlier attempt made and whose answer was lost.
        var made = await database.ListAsync(
            $"""
            with t as (
              insert into token (cache_id, name, digest, scopes, pins, expires, trust_group) values ($1, $2, $3, $4, $5, clock_timestamp() + $6, $7) on conflict do nothing returning *),
            line as (
              insert into audit (cache_id, publisher, address, action, subject, detail)
                select t.cache_id, $8, $9, 'token.create', 'token:' || t.id,
                  jsonb_strip_nulls(jsonb_build_object('name', t.name, 'scopes', t.scopes, 'pins', t.pins, 'group', t.trust_group, 'expires', t.expires)) from t)
            select {Columns} from t union all select {Columns} from token t where t.digest = $3
            """,
            p => p.With(id).With(request.Name).With(digest!).With(request.Scopes.Distinct().Select(Word).ToArray())
                .WithNullable(request.Pins?.Select(pattern => pattern.ToString()).Distinct().ToArray(),
                    NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(request.ExpiresSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null, NpgsqlDbType.Interval)
                .WithNullable(request.Group, NpgsqlDbType.Text).With(_caller.Publisher).WithAddress(_caller),
            ReadToken, cancellationToken);
        return made.Count > 0
            ? new CreatedToken { Token = made[0], Secret = secret }
            : throw new CacheProblemException(ProblemKind.TokenExists,
                $"There is a token '{request.Name}'. If it was made just now and its secret was not received, revoke it and make " +
                    "another: a secret is told only once. Else take another name.");
    }

    public async Task<TokenList> ListAsync(CacheName cache, bool revokedToo, CancellationToken cancellationToken) => new()
    {
        Tokens = await database.ListAsync(
            $"""select {Columns} from token t where t.cache_id = $1 and (t.revoked is null or $2) order by t.name collate "C", t.id""",
            p => p.With(caches.IdOf(cache)).With(revokedToo), ReadToken, cancellationToken),
    };

    public async Task RevokeAsync(CacheName cache, long id, CancellationToken cancellationToken)
    {
        var revoked = await database.ListAsync(
            """
            with t as (
              update token t set revoked = clock_timestamp() where t.cache_id = $1 and t.id = $2 and t.revoked is null returning t.id, t.name),
            line as (
              insert into audit (cache_id, publisher, address, action, subject, detail)
                select $1, $3, $4, 'token.revoke', 'token:' || t.id, jsonb_build_object('name', t.name) from t)
            select t.id from token t where t.cache_id = $1 and t.id = $2
            """,
            p => p.With(caches.IdOf(cache)).With(id).With(_caller.Publisher).WithAddress(_caller), r => r.GetInt64(0), cancellationToken);
        if (revoked.Count == 0)
            throw new CacheProblemException(ProblemKind.UnknownToken, $"There is no token {id} in cache '{cache}'.");
        await database.RunAsync("select @fn@.end_pushes_of($1, $2)", p => p.With(caches.IdOf(cache))
            .With(ValidToken.PublisherOf(id)), cancellationToken);
    }

    public async Task<ValidToken?> FindAsync(string secret, CancellationToken cancellationToken)
    {
        if (!TokenSecret.TryDigest(secret, out var digest))
            return null;
        var found = await database.ListAsync(
            """
            select t.id, c.name, t.scopes, t.pins, t.used is null or t.used < clock_timestamp() - interval '10 minutes', t.trust_group, t.expires, b.pattern, b.reason
            from token t join cache c on c.id = t.cache_id left join lateral @fn@.block_of(t.cache_id, 'token:' || t.id) b on true
            where t.digest = $1 and t.revoked is null and (t.expires is null or t.expires > clock_timestamp())
            """,
            p => p.With(digest),
            r => (Token: new ValidToken(r.GetInt64(0), CacheName.TryParse(r.GetString(1), out var cache) ? cache : default, Scopes(r, 2),
                Pins(r, 3), r.IsDBNull(5) ? null : r.GetString(5), Time(r, 6),
                r.IsDBNull(7) ? null : new SubjectBlock(r.GetString(7), r.IsDBNull(8) ? null : r.GetString(8))),
                IsStale: r.GetBoolean(4)), cancellationToken);
        if (found.Count == 0)
            return null;
        if (found[0].IsStale)
            await NoteUseAsync(found[0].Token.Id, cancellationToken);
        return found[0].Token;
    }

    // Skips a row that another request is updating.
    private Task NoteUseAsync(long id, CancellationToken cancellationToken) => database.RunAsync(
        """
        update token t set used = clock_timestamp()
        where t.id = (select u.id from token u where u.id = $1 and (u.used is null or u.used < clock_timestamp() - interval '10 minutes') for no key update skip locked)
        """,
        p => p.With(id), cancellationToken);

    /// <exception cref="CacheProblemException">The request asks for an impossible token.</exception>
    private static void Check(CreateToken request)
    {
        if (!IsName(request.Name))
            throw Bad($"The name of a token is 1 to {MaxNameLength} characters of A-Z, a-z, 0-9, '.', '_' and '-'.");
        if (request.Group is { } group && !IsName(group))
            throw Bad($"The name of a trust group is 1 to {MaxNameLength} characters of A-Z, a-z, 0-9, '.', '_' and '-'.");
        if (request.Group == Caller.TokenFileGroup)
            throw Bad($"'{Caller.TokenFileGroup}' is the group of the token file, whose tokens may do everything: take another name.");
        if (request.Scopes.Count == 0)
            throw Bad("A token needs a scope: push, pin, gc, read, admin, promote or deploy, or several.");
        if (request.Pins is not null && !request.Scopes.Contains(TokenScope.Pin) && !request.Scopes.Contains(TokenScope.Deploy))
            throw Bad("pins says which pins the scopes 'pin' and 'deploy' are for: ask for one of them too.");
        if (request.Pins is { Count: 0 or > MaxPatterns })
            throw Bad($"pins has 1 to {MaxPatterns} patterns; leave it out for all pins.");
        if (request.ExpiresSeconds is { } seconds && seconds is not (> 0 and <= MaxSeconds))
            throw Bad("expiresSeconds is more than 0, and at most a hundred years.");
    }

    private static bool IsName(string text) => text.Length is > 0 and <= MaxNameLength
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);

    private static string Word(TokenScope scope) => scope switch
    {
        TokenScope.Push => "push",
        TokenScope.Pin => "pin",
        TokenScope.Gc => "gc",
        TokenScope.Read => "read",
        TokenScope.Admin => "admin",
        TokenScope.Promote => "promote",
        TokenScope.Deploy => "deploy",
        _ => throw new ArgumentOutOfRangeException(nameof(scope)),
    };

    private static Token ReadToken(NpgsqlDataReader r) => new()
    {
        Id = r.GetInt64(0),
        Name = r.GetString(1),
        Scopes = Scopes(r, 2),
        Pins = Pins(r, 3),
        Created = r.GetDateTime(4),
        Expires = Time(r, 5),
        Revoked = Time(r, 6),
        LastUsed = Time(r, 7),
        Group = r.IsDBNull(8) ? null : r.GetString(8),
    };

    private static List<TokenScope> Scopes(NpgsqlDataReader r, int at) =>
        [.. Enum.GetValues<TokenScope>().IntersectBy(r.GetFieldValue<string[]>(at), Word)];

    private static List<PinPattern>? Pins(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : [.. r.GetFieldValue<string[]>(at)
        .Select(PinPattern.Parse)];

    private static DateTimeOffset? Time(NpgsqlDataReader r, int at) => r.IsDBNull(at) ? null : r.GetDateTime(at);
}
