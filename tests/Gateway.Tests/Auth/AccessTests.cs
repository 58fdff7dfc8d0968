using System.Net;
using System.Text;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Core.Store.Local;
using OrleansCache.Core.Tokens;
using OrleansCache.Gateway.Auth;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Auth;

/// <summary>Every route, with every kind of credential, of every scope. The tokens are the catalog's own.</summary>
public class AccessTests
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";

    private static readonly (string Pattern, string Path)[] Kinds =
    [
        ("/nix-cache-info", "/nix-cache-info"), ("/{hash}.narinfo", $"/{Hash}.narinfo"), ("/{hash}.ls", $"/{Hash}.ls"),
            ("/nar/{file}", "/nar/x.nar.zst"),
        ("/log/{drv}", "/log/x.drv"), ("/realisations/{id}", "/realisations/sha256:00!out.doi"),
            ("/build-trace-v2/{drv}/{output}", "/build-trace-v2/x.drv/out.doi"),
        ("/debuginfo/{id}", "/debuginfo/00aabb"), ("/pins/{name}", "/pins/main"),
    ];

    // Every route of the server: its methods, pattern and access, and a path that reaches it. A route that is added needs a row here.
    internal static readonly (string Methods, string Pattern, Access Access, string Path)[] Table =
    [
        ("GET", "/v1/caches/{cache}", Access.Open, "/v1/caches/default"),
        ("GET", "/v1/caches/{cache}/warnings", Access.Push, "/v1/caches/default/warnings"),
        ("POST", "/v1/caches/{cache}/pushes", Access.Push, "/v1/caches/default/pushes"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/uploaded", Access.Push, "/v1/caches/default/pushes/1/uploaded"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/wait", Access.Push, "/v1/caches/default/pushes/1/wait"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/uploads/{upload}/urls", Access.Push, "/v1/caches/default/pushes/1/uploads/2/urls"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/commit", Access.Push, "/v1/caches/default/pushes/1/commit"),
        ("POST", "/v1/caches/{cache}/pushes/{push}/renew", Access.Push, "/v1/caches/default/pushes/1/renew"),
        ("DELETE", "/v1/caches/{cache}/pushes/{push}", Access.Push, "/v1/caches/default/pushes/1"),
        ("POST", "/v1/caches/{cache}/missing", Access.Push, "/v1/caches/default/missing"),
        ("POST", "/v1/caches/{cache}/gc", Access.Gc, "/v1/caches/default/gc"),
        ("GET", "/v1/caches/{cache}/gc", Access.Gc, "/v1/caches/default/gc"),
        ("GET", "/v1/caches/{cache}/gc/runs", Access.Gc, "/v1/caches/default/gc/runs"),
        ("GET", "/v1/caches/{cache}/gc/runs/{run}", Access.Gc, "/v1/caches/default/gc/runs/1"),
        ("POST", "/v1/caches/{cache}/gc/cancel", Access.Gc, "/v1/caches/default/gc/cancel"),
        ("GET", "/v1/caches/{cache}/paths/{path}", Access.Gc, $"/v1/caches/default/paths/{Hash}"),
        ("GET", "/v1/caches/{cache}/paths/{path}/boundaries", Access.Gc, $"/v1/caches/default/paths/{Hash}/boundaries"),
        ("GET", "/v1/caches/{cache}/waiting", Access.Admin, "/v1/caches/default/waiting"),
        ("GET", "/v1/caches/{cache}/upstreams", Access.Gc, "/v1/caches/default/upstreams"),
        ("GET", "/v1/caches/{cache}/why/{path}", Access.Gc, $"/v1/caches/default/why/{Hash}"),
        ("GET", "/v1/caches/{cache}/fsck", Access.Admin, "/v1/caches/default/fsck"),
        ("GET", "/v1/caches/{cache}/pins", Access.Pin, "/v1/caches/default/pins"),
        ("GET", "/v1/caches/{cache}/pins/{name}", Access.PinOrDeploy, "/v1/caches/default/pins/app"),
        ("PUT", "/v1/caches/{cache}/pins/{name}", Access.Pin, "/v1/caches/default/pins/app"),
        ("DELETE", "/v1/caches/{cache}/pins/{name}", Access.Pin, "/v1/caches/default/pins/app"),
        ("POST", "/v1/caches/{cache}/pins/{name}/rollback", Access.Pin, "/v1/caches/default/pins/app/rollback"),
        ("GET", "/v1/caches/{cache}/deployments", Access.Pin, "/v1/caches/default/deployments"),
        ("PUT", "/v1/caches/{cache}/deployments/{pin}/{machine}", Access.Deploy, "/v1/caches/default/deployments/app/web-1"),
        ("POST", "/v1/caches/{cache}/tokens", Access.Admin, "/v1/caches/default/tokens"),
        ("GET", "/v1/caches/{cache}/tokens", Access.Admin, "/v1/caches/default/tokens"),
        ("DELETE", "/v1/caches/{cache}/tokens/{token}", Access.Admin, "/v1/caches/default/tokens/9999"),
        ("GET", "/v1/login", Access.Open, "/v1/login"),
        ("GET", "/v1/caches", Access.Operator, "/v1/caches"),
        ("POST", "/v1/caches", Access.Operator, "/v1/caches"),
        ("DELETE", "/v1/caches/{cache}", Access.Operator, "/v1/caches/default"),
        ("GET", "/v1/caches/{cache}/settings", Access.Admin, "/v1/caches/default/settings"),
        ("PATCH", "/v1/caches/{cache}/settings", Access.Admin, "/v1/caches/default/settings"),
        ("GET", "/v1/caches/{cache}/keys", Access.Admin, "/v1/caches/default/keys"),
        ("POST", "/v1/caches/{cache}/keys", Access.Admin, "/v1/caches/default/keys"),
        ("PUT", "/v1/caches/{cache}/keys/{key}", Access.Admin, "/v1/caches/default/keys/x"),
        ("GET", "/v1/whoami", Access.Self, "/v1/whoami"),
        ("POST", "/v1/access/check", Access.Operator, "/v1/access/check"),
        ("POST", "/v1/caches/{cache}/subjects/blocks", Access.Admin, "/v1/caches/default/subjects/blocks"),
        ("GET", "/v1/caches/{cache}/subjects/blocks", Access.Admin, "/v1/caches/default/subjects/blocks"),
        ("DELETE", "/v1/caches/{cache}/subjects/blocks/{block}", Access.Admin, "/v1/caches/default/subjects/blocks/9999"),
        ("GET", "/v1/caches/{cache}/audit", Access.Admin, "/v1/caches/default/audit"),
        ("GET", "/v1/caches/{cache}/paths", Access.Admin, "/v1/caches/default/paths"),
        ("POST", "/v1/caches/{cache}/evictions", Access.Admin, "/v1/caches/default/evictions"),
        ("GET", "/v1/caches/{cache}/bars", Access.Admin, "/v1/caches/default/bars"),
        ("DELETE", "/v1/caches/{cache}/bars/{bar}", Access.Admin, "/v1/caches/default/bars/9999"),
        ("POST", "/v1/caches/{cache}/promotions", Access.Promote, "/v1/caches/default/promotions"),
        ("GET", "/v1/caches/{cache}/conflicts", Access.Promote, "/v1/caches/default/conflicts"),
        ("POST", "/v1/caches/{cache}/uploads", Access.Push, "/v1/caches/default/uploads"),
        ("PUT", "/upload/{**key}", Access.SignedUrl, "/upload/nar/x.nar.zst"),
        ("PUT", "/c/{cache}/upload/{**key}", Access.SignedUrl, "/c/default/upload/nar/x.nar.zst"),
        .. Niks3(""),
        .. Niks3("/c/{cache}"),
        .. Attic("", "{cache}"),
        .. Attic("/c/{cache}", "{name}"),
        .. Reads("", Access.Read),
        .. Reads("/c/{cache}", Access.ReadOrPush),
        .. Reads("/r/{cache}", Access.Read),
        .. Puts(),
        .. Pins(""),
        .. Pins("/c/{cache}"),
        ("GET", "/livez", Access.Open, "/livez"),
        ("GET", "/readyz", Access.Open, "/readyz"),
        ("GET", "/metrics", Access.Open, "/metrics"),
        ("GET,HEAD", "/", Access.Read, "/"),
        ("GET,HEAD", "/index.html", Access.Read, "/index.html"),
        ("GET,HEAD", "/c/{cache}", Access.Read, "/c/default/"),
        ("GET,HEAD", "/c/{cache}/index.html", Access.Read, "/c/default/index.html"),
        ("GET", "/openapi/{documentName}.json", Access.Open, "/openapi/v1.json"),
    ];

    [Fact]
    public async Task Every_route_has_its_row_in_the_access_table()
    {
        await using var gateway = await TestGateway.StartAsync();

        var routes = gateway.App.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Select(e => (
            Methods: string.Join(',', e.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods),
            Pattern: "/" + e.RoutePattern.RawText!.Trim('/'),
            e.Metadata.GetRequiredMetadata<AccessMetadata>().Access));

        Assert.Equal(Table.Select(r => (r.Methods, r.Pattern, r.Access)).Order(), routes.Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_route_answers_every_kind_of_credential_by_the_table(bool privateReads)
    {
        using var folder = new TempFolder();
        await using var core = await StartCoreAsync(folder["store"]);
        await using var gateway = await TestGateway.StartAsync(
            parts => parts with
            {
                Tokens = core.Tokens,
                Credentials = new TokenCredentials(new TokenFile([TestGateway.Token], privateReads),
                core.Tokens),
                Limits = new() { FailedLogins = 0 }
            });
        var credentials = await CredentialsAsync(core);

        foreach (var (methods, pattern, access, path) in Table)
        {
            foreach (var method in methods.Split(',').Select(m => new HttpMethod(m)))
            {
                foreach (var (name, header, scopes) in credentials)
                {
                    using var answer = await gateway.SendAsync(method, path, header is null ? [] : [("Authorization", header)]);

                    var expected = Expected(access, scopes, privateReads);
                    var got = answer.StatusCode switch
                    {
                        HttpStatusCode.Unauthorized => "unauthorized",
                        HttpStatusCode.Forbidden when access != Access.SignedUrl => "forbidden",
                        HttpStatusCode.InternalServerError or HttpStatusCode.ServiceUnavailable => "a fault",
                        _ => "allowed",
                    };
                    Assert.True(expected == got,
                        $"{method} {pattern}, {(privateReads ? "private" : "public")}, {name}: {expected} is wanted, " +
                        $"{(int)answer.StatusCode} was answered");
                    if (got == "unauthorized")
                        Assert.Equal(["Basic", "Bearer"], answer.Headers.WwwAuthenticate.Select(w => w.Scheme));
                }
            }
        }

        Assert.Null(gateway.Pushes.Begun);
        Assert.DoesNotContain(gateway.Log, line =>
            credentials.Any(c => c.Header is { } header && line.Contains(header[(header.IndexOf(' ', StringComparison.Ordinal) + 1)..],
            StringComparison.Ordinal) && header.Length > 20));
    }

    [Theory]
    [InlineData("/metrics", HttpStatusCode.OK)]
    [InlineData("/METRICS", HttpStatusCode.NotFound)]
    [InlineData("/metrics/", HttpStatusCode.NotFound)]
    public async Task A_proxy_that_keeps_the_metrics_from_its_clients_need_know_one_spelling(string path, HttpStatusCode expected)
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.GetAsync(path);

        Assert.Equal(expected, answer.StatusCode);
    }

    [Fact]
    public async Task A_refused_login_is_a_problem_that_says_what_to_send_and_not_what_was_sent()
    {
        await using var gateway = await TestGateway.StartAsync();

        using var answer = await gateway.SendAsync(HttpMethod.Post, "/v1/caches/default/missing",
            ("Authorization", "Bearer my-wrong-secret"));

        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal("urn:orleans-cache:error:unauthorized", (await answer.ProblemAsync()).Type);
        Assert.DoesNotContain("my-wrong-secret", text, StringComparison.Ordinal);
        Assert.DoesNotContain(gateway.Log, l => l.Contains("my-wrong-secret", StringComparison.Ordinal));
    }

    private static IEnumerable<(string, string, Access, string)> Niks3(string prefix)
    {
        var at = prefix.Replace("{cache}", "default", StringComparison.Ordinal);
        (string, string, Access, string)[] routes =
        [
            ("GET", "/health", Access.Open, "/health"),
            ("GET", "/api/cache-config", Access.Open, "/api/cache-config"),
            ("GET", "/api/cache-stats", Access.Open, "/api/cache-stats"),
            ("POST", "/api/pending_closures", Access.Push, "/api/pending_closures"),
            ("POST", "/api/pending_closures/{id}/sign", Access.Push, "/api/pending_closures/1/sign"),
            ("POST", "/api/pending_closures/{id}/complete", Access.Push, "/api/pending_closures/1/complete"),
            ("POST", "/api/pushes", Access.Push, "/api/pushes"),
            ("POST", "/api/pushes/{id}/sign", Access.Push, "/api/pushes/1/sign"),
            ("POST", "/api/pushes/{id}/complete", Access.Push, "/api/pushes/1/complete"),
            ("DELETE", "/api/pending_closures", Access.Gc, "/api/pending_closures?older-than=1h"),
            ("PUT", "/api/pending_closures/{id}/objects/{**key}", Access.SignedUrl, $"/api/pending_closures/1/objects/{Hash}.ls"),
            ("POST", "/api/multipart/request-parts", Access.Push, "/api/multipart/request-parts"),
            ("POST", "/api/multipart/complete", Access.Push, "/api/multipart/complete"),
            ("POST", "/api/uploads/complete", Access.Push, "/api/uploads/complete"),
            ("POST", "/api/uploads/skipped", Access.Push, "/api/uploads/skipped"),
            ("POST", "/api/objects/present", Access.Push, "/api/objects/present"),
            ("HEAD", "/api/objects/{**key}", Access.Push, $"/api/objects/{Hash}.narinfo"),
            ("GET", "/api/closures/{key}", Access.Push, $"/api/closures/{Hash}.narinfo"),
            ("DELETE", "/api/closures", Access.Gc, "/api/closures?older-than=1h"),
            ("GET", "/api/gc/status", Access.Gc, "/api/gc/status"),
            ("GET", "/api/pins", Access.Pin, "/api/pins"),
            ("POST", "/api/pins/{name}", Access.Pin, "/api/pins/app"),
            ("DELETE", "/api/pins/{name}", Access.Pin, "/api/pins/app"),
        ];
        return routes.Select(r => (r.Item1, prefix + r.Item2, r.Item3, at + r.Item4));
    }

    private static IEnumerable<(string, string, Access, string)> Attic(string prefix, string name)
    {
        var at = prefix.Replace("{cache}", "default", StringComparison.Ordinal) + "/_api/v1";
        return
        [
            ("POST", prefix + "/_api/v1/get-missing-paths", Access.Push, at + "/get-missing-paths"),
            ("PUT", prefix + "/_api/v1/upload-path", Access.Push, at + "/upload-path"),
            ("GET", $"{prefix}/_api/v1/cache-config/{name}", Access.Open, at + "/cache-config/default"),
            ("POST,PATCH,DELETE", $"{prefix}/_api/v1/cache-config/{name}", Access.Admin, at + "/cache-config/default"),
        ];
    }

    private static IEnumerable<(string, string, Access, string)> Puts() =>
        from k in Kinds where k.Pattern != "/pins/{name}" select ("PUT", "/c/{cache}" + k.Pattern, Access.Push, "/c/default" + k.Path);


    /// <param name="scopes">Null: no credential that is accepted; <see cref="Scopes.None"/>: none was sent.</param>
    private static string Expected(Access access, Scopes? scopes, bool privateReads) => access switch
    {
        Access.Open or Access.SignedUrl => "allowed",
        Access.Read or Access.ReadOrPush when !privateReads => "allowed",
        Access.Self => scopes is null ? "unauthorized" : "allowed",
        _ when scopes is null or Scopes.None => "unauthorized",
        // No token of the catalog is for all caches.
        Access.Operator => scopes == Scopes.All ? "allowed" : "forbidden",
        Access.ReadOrPush => (scopes.Value & (Scopes.Read | Scopes.Push | Scopes.Deploy)) != 0 ? "allowed" : "forbidden",
        Access.Read => (scopes.Value & (Scopes.Read | Scopes.Deploy)) != 0 ? "allowed" : "forbidden",
        Access.PinOrDeploy => (scopes.Value & (Scopes.Pin | Scopes.Deploy)) != 0 ? "allowed" : "forbidden",
        _ when scopes.Value.HasFlag(Enum.Parse<Scopes>(access.ToString())) => "allowed",
        _ => "forbidden",
    };

    // Each as Bearer and as the password of Basic.
    private static async Task<List<(string Name, string? Header, Scopes? Scopes)>> CredentialsAsync(CacheCore core)
    {
        var revoked = await MakeAsync(core, "revoked", null, Enum.GetValues<TokenScope>());
        await core.Tokens.RevokeAsync(CacheName.Default, revoked.Token.Id, CancellationToken.None);
        var expired = await MakeAsync(core, "expired", 0.001, Enum.GetValues<TokenScope>());
        await Eventually.BecomesTrueAsync(async () => await core.Tokens.FindAsync(expired.Secret, CancellationToken.None) is null);
        var secrets = new List<(string Name, string Secret, Scopes? Scopes)>
        {
            ("unknown", "wrong", null),
            ("empty", "", null),
            ("changed file token", TestGateway.Token + "x", null),
            ("unknown token", TokenSecret.New(), null),
            ("mangled token", TokenSecret.New()[..^1], null),
            ("revoked token", revoked.Secret, null),
            ("expired token", expired.Secret, null),
            ("file token", TestGateway.Token, Scopes.All),
        };
        foreach (var scope in Enum.GetValues<TokenScope>())
            secrets.Add(($"token of scope {scope}", (await MakeAsync(core, scope.ToString(), 3600, scope)).Secret,
                Enum.Parse<Scopes>(scope.ToString())));

        return
        [
            ("none", null, Scopes.None),
            ("another scheme", $"Digest {TestGateway.Token}", Scopes.None),
            ("broken Basic", "Basic !", null),
            ("the token as user name", Basic(TestGateway.Token, ""), null),
            .. secrets.Select(s => ($"{s.Name} as Bearer", (string?)$"Bearer {s.Secret}", s.Scopes)),
            .. secrets.Select(s => ($"{s.Name} as Basic", (string?)Basic("anybody", s.Secret), s.Scopes)),
        ];
    }

    private static Task<CreatedToken> MakeAsync(CacheCore core, string name, double? expires, params TokenScope[] scopes) =>
        core.Tokens.CreateAsync(CacheName.Default, new CreateToken { Name = name, Scopes = scopes, ExpiresSeconds = expires },
            CancellationToken.None);

    private static async Task<CacheCore> StartCoreAsync(string folder) => await CacheCore.StartAsync(
        new CoreOptions
        {
            ConnectionString = await (await PostgresServer.Shared).CreateCatalogAsync(),
            Store = new DirectoryObjectStore(new DirectoryOptions
            {
                Root = folder,
                PublicUrl = new Uri("http://127.0.0.1"),
                UrlSecret = new byte[32]
            }),
            Housekeeping = false,
        },
        NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);

    private static IEnumerable<(string, string, Access, string)> Pins(string prefix)
    {
        var at = prefix.Replace("{cache}", "default", StringComparison.Ordinal);
        return
        [
            ("POST", prefix + "/pin/{hash}.narinfo", Access.Pin, $"{at}/pin/{Hash}.narinfo"),
            ("DELETE", prefix + "/pin/{hash}.narinfo", Access.Pin, $"{at}/pin/{Hash}.narinfo"),
            ("GET", prefix + "/pins", Access.Pin, $"{at}/pins"),
        ];
    }

    private static IEnumerable<(string, string, Access, string)> Reads(string prefix, Access access)
    {
        var at = prefix.Replace("{cache}", "default", StringComparison.Ordinal);
        return Kinds.Select(k => ("GET,HEAD", prefix + k.Pattern, access, at + k.Path));
    }

    private static string Basic(string user, string password) =>
        "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
}
