using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Tokens;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Tokens;

/// <summary>Tokens over the real catalog, by two processes' worth of services.</summary>
public sealed class TokenTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_token_allows_what_it_was_made_for_everywhere_until_it_is_revoked()
    {
        await using var world = await TokenWorld.CreateAsync();

        var made = await world.Here.CreateAsync(CacheName.Default, new CreateToken
        {
            Name = "ci",
            Scopes = [TokenScope.Pin, TokenScope.Push],
            Pins = [PinPattern.Parse("prod-*")],
            ExpiresSeconds = 3600
        }, None);
        var found = await world.There.FindAsync(made.Secret, None);
        await world.There.RevokeAsync(CacheName.Default, made.Token.Id, None);
        await world.There.RevokeAsync(CacheName.Default, made.Token.Id, None);

        Assert.Matches("^oct_[0-9a-df-np-sv-z]{52}$", made.Secret);
        Assert.Equal((made.Token.Id, CacheName.Default, "prod-*"), (found!.Id, found.Cache, Assert.Single(found.Pins!).ToString()));
        Assert.Equal([TokenScope.Push, TokenScope.Pin], found.Scopes);
        Assert.InRange(made.Token.Expires!.Value - made.Token.Created, TimeSpan.FromSeconds(3599), TimeSpan.FromSeconds(3601));
        Assert.Null(await world.Here.FindAsync(made.Secret, None));
        Assert.Empty((await world.Here.ListAsync(CacheName.Default, false, None)).Tokens);
        Assert.NotNull(Assert.Single((await world.Here.ListAsync(CacheName.Default, true, None)).Tokens).Revoked);
    }

    [Fact]
    public async Task The_secret_is_in_no_row()
    {
        await using var world = await TokenWorld.CreateAsync();
        var made = await world.Here.CreateAsync(CacheName.Default, Push("ci"), None);

        var row = await world.Database.SingleAsync("select t::text from token t", _ => { }, r => r.GetString(0), None);

        Assert.DoesNotContain(made.Secret[TokenSecret.Prefix.Length..], row, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expired_token_is_listed_and_refused()
    {
        await using var world = await TokenWorld.CreateAsync();
        var made = await world.Here.CreateAsync(CacheName.Default, Push("ci") with { ExpiresSeconds = 3600 }, None);
        Assert.NotNull(await world.Here.FindAsync(made.Secret, None));

        await world.Database.RunAsync("update token set expires = clock_timestamp() - interval '1 ms'", _ => { }, None);

        Assert.Null(await world.Here.FindAsync(made.Secret, None));
        Assert.Single((await world.Here.ListAsync(CacheName.Default, false, None)).Tokens);
    }

    [Fact]
    public async Task What_cannot_be_a_secret_is_refused_without_asking_the_database()
    {
        await using var world = await TokenWorld.CreateAsync();
        var secret = TokenSecret.New();
        var before = world.Database.StatementCount;

        foreach (var text in new[] { "", "oct_", secret[..^1], secret + "0", secret.ToUpperInvariant(), secret[4..],
            "oct_" + new string('e', 52), "oct_" + new string('\0', 52), "ōct_" + secret[4..] })
            Assert.Null(await world.Here.FindAsync(text, None));

        Assert.Equal(before, world.Database.StatementCount);
        Assert.Null(await world.Here.FindAsync(secret, None));
        Assert.Equal(before + 1, world.Database.StatementCount);
    }

    [Fact]
    public async Task When_a_token_was_last_used_is_written_once_in_a_while_and_else_a_request_costs_one_statement()
    {
        await using var world = await TokenWorld.CreateAsync();
        var made = await world.Here.CreateAsync(CacheName.Default, Push("ci"), None);
        Assert.Null(made.Token.LastUsed);

        await world.Here.FindAsync(made.Secret, None);
        var first = Assert.Single((await world.Here.ListAsync(CacheName.Default, false, None)).Tokens).LastUsed;
        var before = world.Database.StatementCount;
        await world.Here.FindAsync(made.Secret, None);
        await world.Here.FindAsync(made.Secret, None);

        Assert.NotNull(first);
        Assert.Equal(before + 2, world.Database.StatementCount);
        Assert.Equal(first, Assert.Single((await world.Here.ListAsync(CacheName.Default, false, None)).Tokens).LastUsed);

        await world.Database.RunAsync("update token set used = used - interval '11 minutes'", _ => { }, None);
        await world.Here.FindAsync(made.Secret, None);
        Assert.True(Assert.Single((await world.Here.ListAsync(CacheName.Default, false, None)).Tokens).LastUsed >= first);
    }

    [Fact]
    public async Task Two_good_tokens_never_have_one_name_and_a_revoked_one_gives_its_name_back()
    {
        await using var world = await TokenWorld.CreateAsync();

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            try
            {
                return await (i % 2 == 0 ? world.Here : world.There).CreateAsync(CacheName.Default, Push("ci"), None);
            }
            catch (CacheProblemException e) when (e.Kind == ProblemKind.TokenExists)
            {
                return null;
            }
        }));
        var made = Assert.Single(outcomes, o => o is not null)!;
        await world.Here.RevokeAsync(CacheName.Default, made.Token.Id, None);
        var again = await world.Here.CreateAsync(CacheName.Default, Push("ci"), None);

        Assert.NotEqual(made.Token.Id, again.Token.Id);
        Assert.Null(await world.Here.FindAsync(made.Secret, None));
        Assert.NotNull(await world.Here.FindAsync(again.Secret, None));
    }

    [Theory]
    [InlineData("", "push", null, null)]
    [InlineData("a b", "push", null, null)]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123x", "push", null, null)]
    [InlineData("ci", "", null, null)]
    [InlineData("ci", "push", "prod-*", null)]
    [InlineData("ci", "pin", "", null)]
    [InlineData("ci", "push", null, 0d)]
    [InlineData("ci", "push", null, 1e12)]
    [InlineData("ci", "push", null, double.NaN)]
    public async Task What_no_token_is_is_refused(string name, string scopes, string? pins, double? expires)
    {
        await using var world = await TokenWorld.CreateAsync();
        var request = new CreateToken
        {
            Name = name,
            Scopes = [.. scopes.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(s => Enum.Parse<TokenScope>(s, ignoreCase: true))],
            Pins = pins is null ? null : [.. pins.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(PinPattern.Parse)],
            ExpiresSeconds = expires,
        };

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => world.Here.CreateAsync(CacheName.Default, request, None));

        Assert.Equal(ProblemKind.BadRequest, problem.Kind);
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("file")]
    public async Task What_no_trust_group_of_tokens_is_is_refused(string group)
    {
        await using var world = await TokenWorld.CreateAsync();

        var problem = await Assert.ThrowsAsync<CacheProblemException>(() =>
            world.Here.CreateAsync(CacheName.Default, Push("ci") with { Group = group }, None));

        Assert.Equal(ProblemKind.BadRequest, problem.Kind);
    }

    [Fact]
    public async Task A_token_that_never_was_cannot_be_revoked()
    {
        await using var world = await TokenWorld.CreateAsync();

        Assert.Equal(ProblemKind.UnknownToken,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.Here.RevokeAsync(CacheName.Default, 1, None))).Kind);
    }

    [Theory]
    [InlineData("prod-*", "prod-", true)]
    [InlineData("prod-*", "prod-web", true)]
    [InlineData("prod-*", "prod", false)]
    [InlineData("prod-*", "my-prod-web", false)]
    [InlineData("*-web", "prod-web", true)]
    [InlineData("*-web", "prod-web-web", true)]
    [InlineData("*-web", "prod-webs", false)]
    [InlineData("a*b*c", "aXbXbXc", true)]
    [InlineData("a*b*c", "aXcXb", false)]
    [InlineData("pr-???", "pr-123", true)]
    [InlineData("pr-???", "pr-1234", false)]
    [InlineData("*", "anything", true)]
    [InlineData("**", "a", true)]
    [InlineData("app", "app", true)]
    [InlineData("app", "App", false)]
    [InlineData("a.c", "abc", false)]
    public void A_pattern_matches_whole_names(string pattern, string name, bool matches) =>
        Assert.Equal(matches, PinPattern.Parse(pattern).Matches(PinName.Parse(name)));

    [Fact]
    public void No_pattern_takes_long()
    {
        var name = PinName.Parse(new string('a', PinName.MaxLength));

        Assert.False(PinPattern.Parse(string.Concat(Enumerable.Repeat("*a", PinName.MaxLength / 2 - 1)) + "*b").Matches(name));
    }

    private static CreateToken Push(string name) => new() { Name = name, Scopes = [TokenScope.Push] };

    private sealed class TokenWorld : IAsyncDisposable
    {
        private readonly CatalogDatabase _other;

        private TokenWorld(CatalogDatabase database, CatalogDatabase other, CacheDirectory caches)
        {
            (Database, _other) = (database, other);
            (Here, There) = (new CatalogTokens(caches, database), new CatalogTokens(caches, other));
        }

        public CatalogDatabase Database { get; }

        public ITokens Here { get; }

        public ITokens There { get; }

        public static async Task<TokenWorld> CreateAsync()
        {
            var connectionString = await (await PostgresServer.Shared).CreateCatalogAsync();
            var database = await CatalogDatabase.OpenAsync(connectionString, None);
            return new TokenWorld(database, await CatalogDatabase.OpenAsync(connectionString, None),
                await CacheDirectory.LoadAsync(database, None));
        }

        public async ValueTask DisposeAsync()
        {
            await Database.DisposeAsync();
            await _other.DisposeAsync();
        }
    }
}
