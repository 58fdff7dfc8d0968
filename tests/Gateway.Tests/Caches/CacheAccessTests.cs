using System.Net;
using OrleansCache.Contracts;
using OrleansCache.Gateway.Auth;
using OrleansCache.Gateway.Tests.Auth;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Caches;

/// <summary>Every route of a cache, in a public, a private and an absent cache, with each credential.</summary>
public sealed class CacheAccessTests
{
    private static readonly string[] Caches = ["default", "open", "secret", "nowhere"];

    [Fact]
    public async Task A_credential_is_good_in_its_own_cache_alone_and_nobody_learns_which_private_caches_there_are()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("open");
        await gateway.MakeAsync("secret", """{"private":true}""");
        (string Name, string? Token, string? Home)[] credentials =
        [
            ("none", null, null), ("unknown", "wrong-wrong-wrong-wrong", null),
            ("of default", await gateway.TokenAsync("default"), "default"),
            ("of open", await gateway.TokenAsync("open"), "open"),
            ("of secret", await gateway.TokenAsync("secret"), "secret"),
            ("operator", CachesGateway.Operator, "*"),
        ];
        var routes = AccessTests.Table.Where(r => r.Pattern.Contains("{cache}", StringComparison.Ordinal)
            && !r.Pattern.EndsWith("/fsck", StringComparison.Ordinal) && (r.Methods, r.Pattern) != ("DELETE", "/v1/caches/{cache}"));

        var asked = 0;
        foreach (var (methods, pattern, access, path) in routes)
        {
            foreach (var method in methods.Split(','))
            {
                foreach (var (name, token, home) in credentials)
                {
                    var answers = new Dictionary<string, (HttpStatusCode Status, string Body)>();
                    foreach (var cache in Caches)
                    {
                        using var answer = await gateway.SendAsync(new HttpMethod(method), In(path, cache), token);
                        answers[cache] = (answer.StatusCode, (await answer.Content.ReadAsStringAsync())
                            .Replace(cache, "CACHE", StringComparison.Ordinal));
                        asked++;
                        var what = $"{method} {In(path, cache)}, credential {name}: {(int)answer.StatusCode}";
                        Assert.True((int)answer.StatusCode < 500, what);
                        if (cache == "nowhere")
                            continue;
                        if (access == Access.SignedUrl)
                            Assert.True(answer.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.NotFound, what);
                        else
                            Assert.True(Wanted(access, cache, home, token) == Of(answer.StatusCode), $"{what}, {Wanted(access, cache, home, token)} is wanted");
                    }

                    // Who has nothing to do with the private cache meets it as one that is not there.
                    if (home is not ("secret" or "*"))
                        Assert.Equal((name, method, path, answers["nowhere"]), (name, method, path, answers["secret"]));
                }
            }
        }

        Assert.True(asked > 1500, $"{asked} requests");
    }

    [Fact]
    public async Task Who_has_a_token_of_another_cache_is_told_of_which()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("mine");
        await gateway.MakeAsync("secret", """{"private":true}""");
        // It lacks the scope, too, which is not what is wrong.
        var pusher = await gateway.TokenAsync("mine", TokenScope.Push);

        foreach (var path in (string[])["/c/secret/nix-cache-info", "/r/nowhere/nix-cache-info", "/v1/caches/nowhere/gc", "/v1/caches/secret/gc"])
        {
            using var answer = await gateway.SendAsync(HttpMethod.Get, path, pusher);
            var problem = await answer.ProblemAsync();
            Assert.Equal((403, "The token is for cache 'mine' only."), (problem.Status, problem.Detail));
        }

        using var own = await gateway.SendAsync(HttpMethod.Get, "/v1/caches/mine/gc", pusher);
        Assert.Contains("lacks the scope 'gc'", (await own.ProblemAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_for_who_may_do_something_there_an_unknown_name_is_looked_up()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("open");
        await gateway.MakeAsync("secret", """{"private":true}""");
        var token = await gateway.TokenAsync("open");
        // An unknown name is looked up once a second at most.
        await Task.Delay(1100);

        foreach (var (credential, status) in new[] { (null, HttpStatusCode.Unauthorized), ("wrong-wrong-wrong-wrong", HttpStatusCode.Unauthorized),
            (token, HttpStatusCode.Forbidden) })
        {
            // At the first request a token may be read from the database.
            await CountAsync("secret");
            Assert.Equal(await CountAsync("secret"), await CountAsync("nowhere"));

            async Task<(long Reads, long Puts)> CountAsync(string cache)
            {
                var before = gateway.Core.Database.StatementCount;
                using var answer = await gateway.SendAsync(HttpMethod.Get, $"/c/{cache}/nix-cache-info", credential);
                Assert.Equal(status, answer.StatusCode);
                var between = gateway.Core.Database.StatementCount;
                using var put = await gateway.SendAsync(HttpMethod.Put, $"/c/{cache}/api/pending_closures/{PushId.New()}/objects/x.narinfo?secret=y",
                    credential, body: [1]);
                Assert.Equal(HttpStatusCode.Forbidden, put.StatusCode);
                Assert.True(credential is not null || between == before, "a name that anybody says is looked up");
                return (between - before, gateway.Core.Database.StatementCount - between);
            }
        }

        var last = gateway.Core.Database.StatementCount;
        using (var answer = await gateway.SendAsync(HttpMethod.Get, "/c/nowhere/nix-cache-info", CachesGateway.Operator))
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.True(gateway.Core.Database.StatementCount > last);
    }

    [Fact]
    public async Task A_cache_that_is_not_served_is_an_absent_one_to_who_has_a_url_alone()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("secret", """{"private":true}""");
        await gateway.Core.Database.RunAsync("update cache_key set name = name || '-2'; update cache set bucket = 'elsewhere' where name = 'secret'",
            static _ => { }, CancellationToken.None);
        await gateway.Core.LookAtCachesAsync(CancellationToken.None);
        using (var read = await gateway.SendAsync(HttpMethod.Get, "/c/secret/nix-cache-info", CachesGateway.Operator))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, read.StatusCode);

        foreach (var path in (string[])["upload/nar/x.nar?signature=y", $"api/pending_closures/{PushId.New()}/objects/x.narinfo?secret=y"])
        {
            var answers = new List<(HttpStatusCode, string)>();
            foreach (var cache in (string[])["secret", "nowhere"])
            {
                using var put = await gateway.SendAsync(HttpMethod.Put, $"/c/{cache}/{path}", body: [1]);
                answers.Add((put.StatusCode, (await put.Content.ReadAsStringAsync()).Replace(cache, "CACHE", StringComparison.Ordinal)));
            }

            Assert.Equal(HttpStatusCode.Forbidden, answers[0].Item1);
            Assert.Equal(answers[1], answers[0]);
        }
    }

    private static string In(string path, string cache)
    {
        foreach (var root in (string[])["/v1/caches/", "/c/", "/r/", "/_api/v1/cache-config/"])
        {
            if (path.StartsWith(root + "default", StringComparison.Ordinal))
                return $"{root}{cache}{path[(root.Length + "default".Length)..]}";
        }

        throw new FormatException(path);
    }

    private static string Wanted(Access access, string cache, string? home, string? token)
    {
        var isRead = access is Access.Read or Access.ReadOrPush or Access.Open;
        if (isRead && (cache != "secret" || home is "secret" or "*"))
            return "allowed";
        if (home is null)
            return "unauthorized";
        return access == Access.Operator ? home == "*" ? "allowed" : "forbidden" : home == cache || home == "*" ? "allowed" : "forbidden";
    }

    private static string Of(HttpStatusCode status) => status switch
    {
        HttpStatusCode.Unauthorized => "unauthorized",
        HttpStatusCode.Forbidden => "forbidden",
        _ => "allowed",
    };

    [Fact]
    public async Task What_a_token_of_one_cache_tries_with_the_ids_of_another_changes_nothing_there()
    {
        await using var gateway = await CachesGateway.StartAsync();
        await gateway.MakeAsync("mine");
        await gateway.MakeAsync("theirs", """{"private":true}""");
        var (mallory, victim) = (await gateway.TokenAsync("mine"), await gateway.TokenAsync("theirs"));
        var published = await gateway.PushAsync("theirs", victim, "app", "theirs");
        var nar = new TextNar("next", "theirs, too");
        var open = await gateway.Core.Pushes.As(new Caller("token:2", "token:2", 1)).BeginAsync(CachesGateway.NameOf("theirs"),
            new BeginPush { Roots = [nar.Hash], Paths = [nar.Path()] }, OperationId.New(), CancellationToken.None);
        var app = World.Hash("app");

        // Their routes are closed, and under her own cache their ids are nothing.
        foreach (var cache in (string[])["theirs", "mine"])
        {
            (HttpMethod Method, string Path, string? Body)[] tries =
            [
                (HttpMethod.Post, $"pushes/{open.Id}/commit", ""), (HttpMethod.Delete, $"pushes/{open.Id}", null),
                (HttpMethod.Post, $"pushes/{open.Id}/renew", ""), (HttpMethod.Post, $"pushes/{published.Id}/commit", ""),
                (HttpMethod.Post, $"pushes/{open.Id}/uploads/{open.Uploads[0].Id}/urls", "{}"),
                (HttpMethod.Post, $"pushes/{open.Id}/uploaded", """{"uploads":[]}"""),
                (HttpMethod.Get, $"paths/{app}", null), (HttpMethod.Get, $"why/{app}", null),
                (HttpMethod.Put, "pins/main", $$"""{"path":"{{app}}-app"}"""),
                (HttpMethod.Post, "evictions", $$"""{"paths":["{{app}}"]}"""), (HttpMethod.Delete, "tokens/2", null),
            ];
            foreach (var (method, path, body) in tries)
            {
                using var answer = await gateway.SendAsync(method, $"/v1/caches/{cache}/{path}", mallory, body);
                Assert.True(cache == "theirs" ? answer.StatusCode == HttpStatusCode.Forbidden
                    // The id of an upload is sealed by a secret of its cache, so that another does not take it for one.
                    : answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Conflict or HttpStatusCode.Gone
                        || (answer.StatusCode == HttpStatusCode.BadRequest && path.EndsWith("/urls", StringComparison.Ordinal)),
                    $"{method} {path} in {cache}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            }
        }

        // A URL that was signed for one cache is none of another, nor of the server's own.
        var url = open.Uploads[0].Url!;
        foreach (var root in (string[])["/c/mine", "", "/c/nowhere"])
        {
            using var put = await gateway.SendAsync(HttpMethod.Put, root + url.PathAndQuery["/c/theirs".Length..], body: nar.File);
            Assert.Equal(HttpStatusCode.Forbidden, put.StatusCode);
        }

        using (var narinfo = await gateway.SendAsync(HttpMethod.Get, $"/c/mine/{app}.narinfo", mallory))
            Assert.Equal(HttpStatusCode.NotFound, narinfo.StatusCode);
        using (var narinfo = await gateway.SendAsync(HttpMethod.Get, $"/c/theirs/{app}.narinfo", mallory))
            Assert.Equal(HttpStatusCode.Forbidden, narinfo.StatusCode);
        // Nothing has changed for the victim.
        Assert.True((await gateway.Core.Pushes.As(Caller.Server).RenewAsync(CachesGateway.NameOf("theirs"), World.Id(open),
            CancellationToken.None)).Expires > DateTimeOffset.UtcNow);
        using var whole = await gateway.SendAsync(HttpMethod.Get, $"/c/theirs/{app}.narinfo", victim);
        Assert.Equal(HttpStatusCode.OK, whole.StatusCode);
    }
}
