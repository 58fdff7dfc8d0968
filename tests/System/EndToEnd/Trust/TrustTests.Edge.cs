using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Web;
using Npgsql;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>The rest of M and L: URLs, revocation, private caches, browsers, and requests that no client sends.</summary>
public sealed partial class TrustTests
{
    private static readonly TimeSpan MaxUrl = TimeSpan.FromMinutes(15);

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task An_upload_URL_works_for_a_quarter_of_an_hour_at_most(StoreKind store)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");

        var begun = (await V1Push.SendBeginAsync(M, V1Push.Body(TrustPath.Make("own")))).OrThrow();

        var now = DateTimeOffset.Parse(begun.Headers["Date"].Single(), CultureInfo.InvariantCulture);
        var url = HttpUtility.ParseQueryString(new Uri((string)begun.Json["uploads"]![0]!["url"]!).Query);
        var life = store == StoreKind.Bucket
            ? TimeSpan.FromSeconds(int.Parse(url["X-Amz-Expires"]!, CultureInfo.InvariantCulture))
            : DateTimeOffset.FromUnixTimeSeconds(long.Parse(url["expires"]!, CultureInfo.InvariantCulture)) - now;
        Assert.InRange(life, TimeSpan.FromMinutes(1), MaxUrl + TimeSpan.FromSeconds(2));
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task An_upload_URL_of_niks3_ends_with_the_token_that_it_was_made_for(StoreKind store)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("own");
        var push = await Niks3Push.CreateAsync(M, path);
        var url = (string)push.Pending[Niks3Push.NarKey(path)]!["multipart_info"]!["part_urls"]![0]!;

        await server.RevokeAsync(M);

        Answer? last = null;
        await Eventually.BecomesTrueAsync(
            async () => !(last = await M.SendAsync(HttpMethod.Put, url, Publisher.Bytes(path.File, "application/octet-stream"),
                isSigned: true)).IsSuccess, TimeSpan.FromSeconds(20), () => $"the end of the URL; {last}");
    }

    [Theory]
    [OnFolder([V1, Niks3])]
    [OnBucket([V1, Niks3])]
    public async Task What_a_revoked_token_has_claimed_is_not_waited_for(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        // So large that its claim has many minutes.
        var path = TrustPath.Make("large") with { NarSize = 3L << 30 };
        await M.OpenAsync(m, path);
        var push = await V1Push.BeginAsync(V, path);

        await server.RevokeAsync(M);

        Answer? last = null;
        await Eventually.BecomesTrueAsync(
            async () => (string)(last = await V1Push.WaitAsync(V, push.Id, [path.Path.Hash.ToString()], 1))
                .OrThrow().Json["paths"]![0]!["state"]! == "upload", TimeSpan.FromSeconds(20), () => $"{last}");
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_token_that_may_not_read_gets_nothing_of_what_others_have_put(StoreKind store, Protocol m)
    {
        var server = await servers.PrivateOn(store);
        var (M, V, _) = await server.PublishersAsync();
        var (R, RM) = (await server.PublisherAsync("read"), await server.PublisherAsync("read", "push"));
        var path = TrustPath.Make("secret").BuiltWith("built\n") with { Realisation = RealisationId() };
        var own = TrustPath.Make("own");
        // Stock Nix's way keeps all of a path under names that can be guessed.
        await V.PushAsync(NixCopy, path);
        await M.PushAsync(NixCopy, own);
        var key = (await Read(R, path.NarInfoKey)).OrThrow().Text.Split('\n')
            .Single(l => l.StartsWith("URL: ", StringComparison.Ordinal))[5..];

        switch (m)
        {
            case V1:
                async Task<string> MissingAsync(Publisher who) => (await who.PostAsync($"{V1Push.Cache}/missing",
                    new JsonObject { ["paths"] = new JsonArray(path.Path.Hash.ToString(), own.Path.Hash.ToString()) })).OrThrow().Text;
                Assert.Equal($$"""{"missing":["{{path.Path.Hash}}"]}""", await MissingAsync(M));
                Assert.Equal("""{"missing":[]}""", await MissingAsync(RM));
                break;
            case Niks3:
                async Task<HttpStatusCode> HeadAsync(Publisher who, string name) =>
                    (await who.SendAsync(HttpMethod.Head, $"/api/objects/{name}")).Status;
                foreach (var guess in (string[])[path.NarInfoKey, path.ListingKey, Niks3Push.NarKey(path)])
                {
                    Assert.Equal(HttpStatusCode.NotFound, await HeadAsync(M, guess));
                    Assert.Equal(HttpStatusCode.NoContent, await HeadAsync(RM, guess));
                }

                Assert.Equal(HttpStatusCode.NoContent, await HeadAsync(M, own.NarInfoKey));
                Assert.Equal(HttpStatusCode.NotFound, (await M.GetAsync($"/api/closures/{path.NarInfoKey}")).Status);
                Assert.Equal(HttpStatusCode.OK, (await M.GetAsync($"/api/closures/{own.NarInfoKey}")).Status);
                break;
            default:
                foreach (var guess in (string[])[path.NarInfoKey, path.ListingKey, $"log/{path.LogDrv!.Value.BaseName}",
                    RealisationKey(path), NixPush.NarKey(path), key])
                {
                    Assert.Equal(HttpStatusCode.NotFound, (await Read(M, guess)).Status);
                    Assert.Equal(HttpStatusCode.OK, (await Read(RM, guess)).Status);
                }

                Assert.Equal(HttpStatusCode.OK, (await Read(M, own.NarInfoKey)).Status);
                // What is there already under that name is no answer to a body that is another.
                Assert.Equal(HttpStatusCode.BadRequest,
                    (await NixPush.PutNarAsync(M, path.WithNoise() with { ClaimedFileHash = path.FileHash })).Status);
                break;
        }

        // V's own promise is kept.
        Assert.Equal(HttpStatusCode.OK, (await Read(V, path.NarInfoKey)).Status);

        static Task<Answer> Read(Publisher who, string key) => who.SendAsync(HttpMethod.Get, $"{NixPush.Write}/{key}", asBasic: true);
    }

    [Theory]
    [OnFolder([V1, Niks3, NixCopy])]
    [OnBucket([V1, Niks3, NixCopy])]
    public async Task A_token_that_may_not_read_brings_all_of_it_and_learns_nothing_by_that(StoreKind store, Protocol m)
    {
        var server = await servers.PrivateOn(store);
        var (M, V, _) = await server.PublishersAsync();
        var R = new Reader(await server.PublisherAsync("read"), server.Process.PublicKey);
        var dependency = TrustPath.Make("dependency");
        var root = TrustPath.Make("root", dependency);
        await V.PushAsync(V1, dependency);

        // 1. Before it has brought anything: what is there, what is there otherwise, and what is not are one.
        switch (m)
        {
            case V1:
                foreach (var guess in (TrustPath[])[dependency, TrustPath.Make(dependency.Path), TrustPath.Make("nowhere")])
                {
                    var begun = await V1Push.BeginAsync(M, guess);
                    Assert.Equal(("upload", false, false),
                        (begun.StateOf(guess), begun.Lists("conflicts", guess), begun.Lists("unverified", guess)));
                    var waited = await V1Push.WaitAsync(M, begun.Id, [guess.Path.Hash.ToString()], 0);
                    Assert.Equal("upload", (string)waited.OrThrow().Json["paths"]![0]!["state"]!);
                    var committed = await V1Push.SendCommitAsync(M, begun.Id);
                    Assert.Contains("neither in the cache nor uploaded by this push", committed.Text, StringComparison.Ordinal);
                }

                break;
            case Niks3:
                foreach (var guess in (TrustPath[])[dependency, TrustPath.Make(dependency.Path), TrustPath.Make("nowhere")])
                    Assert.Equal(3, (await Niks3Push.CreateAsync(M, guess)).Pending.Count);
                break;
            default:
                foreach (var guess in (TrustPath[])[dependency, TrustPath.Make(dependency.Path), TrustPath.Make("nowhere")])
                    Assert.Equal(HttpStatusCode.BadRequest, (await NixPush.PutAsync(M, guess.NarInfoKey, NixPush.NarInfo(guess))).Status);
                await NixPush.PutNarAsync(M, root);
                var refused = await NixPush.PutAsync(M, root.NarInfoKey, NixPush.NarInfo(root));
                Assert.Contains(dependency.Path.ToString(), refused.Text, StringComparison.Ordinal);
                break;
        }

        // 2. It brings all of it, and what it and V have is one path.
        await M.PushAsync(m, root);
        await R.AssertWholeAsync(root);

        // 3. Another build of V's path is taken, and changes nothing.
        await M.PushAsync(m, TrustPath.Make(dependency.Path));
        await R.AssertWholeAsync(root);
    }

    [Theory]
    [InlineData("Origin", "http://elsewhere.example")]
    [InlineData("Origin", "null")]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    [InlineData("Sec-Fetch-Site", "same-site")]
    public async Task A_page_from_elsewhere_does_nothing_with_the_login_of_a_browser(string header, string value)
    {
        var server = await servers.On(StoreKind.Folder);
        var D = await server.PublisherAsync("push", "pin");
        var (path, pin, riding) = (TrustPath.Make("honest"), NewPin(), NewPin());
        var push = await V1Push.BeginAsync(D, path, V1Push.Body(path, riding));
        await push.UploadAsync();
        await D.PushAsync(NixCopy, path);

        List<Answer> answers =
        [
            // What a form can send: no body, or one that is called a text.
            await D.SendAsync(HttpMethod.Post, $"/pin/{path.NarInfoKey}", asBasic: true, headers: (header, value)),
            await D.SendAsync(HttpMethod.Post, $"/c/default/pin/{path.NarInfoKey}", asBasic: true, headers: (header, value)),
            await D.SendAsync(HttpMethod.Post, $"/api/pins/{pin}",
                Publisher.Bytes(Encoding.UTF8.GetBytes($$"""{"store_path":"{{path.Path}}"}"""), "text/plain"), asBasic: true,
                headers: (header, value)),
            await D.SendAsync(HttpMethod.Post, $"{V1Push.Cache}/pushes/{push.Id}/commit", asBasic: true, headers: (header, value)),
        ];

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Forbidden, answer.Status));
        foreach (var name in (string[])[pin, riding, $"ncps-{path.Path.Hash}"])
            Assert.Null(await server.Reader.TextAsync($"/pins/{name}"));
        (await D.SendAsync(HttpMethod.Post, $"/pin/{path.NarInfoKey}", asBasic: true,
            headers: [("Origin", server.Process.Url.ToString().TrimEnd('/')), ("Sec-Fetch-Site", "same-origin")])).OrThrow();
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_report_tells_nothing_of_what_another_has_uploaded(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var push = await V1Push.BeginAsync(V, path);
        await push.SendAsync(push.GrantOf(path), path.File);
        var own = await V1Push.BeginAsync(M, TrustPath.Make("own"));

        var guess = TrustPath.Make("guess") with { File = new byte[3] };
        var answer = await V1Push.SendReportAsync(M, own.Id, V1Push.Reported(push.GrantOf(path), guess));

        if (answer.IsSuccess)
            Assert.All(answer.Json["rejected"]!.AsArray(), r => Assert.Equal("ended", (string)r!["reason"]!));
        Assert.DoesNotContain(path.FileHash.ToNix32(), answer.Text, StringComparison.Ordinal);
        await push.UploadAsync();
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_malformed_report_is_no_fault_of_the_server(StoreKind store)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("own");
        var push = await V1Push.BeginAsync(M, path);
        var grant = push.GrantOf(path);
        await push.SendAsync(grant, path.File);
        var reported = V1Push.Reported(grant, path);
        var parts = ((string)grant["id"]!).Split('~');

        var reports = new List<JsonObject>
        {
            With(1, "x"), With(1, "%00"), With(4, "00"), With(4, "2e2e2f2e2e"),
                With(4, Convert.ToHexStringLower(Encoding.UTF8.GetBytes(new string('a', 5_000)))),
            new() { ["uploads"] = new JsonArray(reported["uploads"]![0]!.DeepClone(), reported["uploads"]![0]!.DeepClone()) },
        };

        await Assert.AllAsync(reports, async report =>
            Assert.InRange((int)(await V1Push.SendReportAsync(M, push.Id, report)).Status, 200, 499));

        // A grant whose id was changed in one place.
        JsonObject With(int part, string text)
        {
            var report = (JsonObject)reported.DeepClone();
            report["uploads"]![0]!["upload"] = string.Join('~', parts.Select((p, i) => i == part ? text : p));
            return report;
        }
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task Listings_logs_and_realisations_have_the_sizes_that_the_manual_says(StoreKind store)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("own").BuiltWith("log") with { Realisation = RealisationId() };
        var push = await V1Push.BeginAsync(M, path);

        foreach (var (list, mebibytes) in (IEnumerable<(string, int)>)[("listings", 16), ("logs", 32)])
        {
            var item = new JsonObject
            {
                ["path"] = path.Path.Hash.ToString(),
                ["drv"] = path.Deriver!.Value.BaseName,
                ["content"] = Convert.ToBase64String(new byte[(mebibytes << 20) + 1])
            };
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge,
                (await V1Push.SendReportAsync(M, push.Id, new JsonObject { [list] = new JsonArray(item) })).Status);
        }

        var realisation = new JsonObject
        {
            ["id"] = path.Realisation,
            ["path"] = path.Path.Hash.ToString(),
            ["content"] = $"{{\"outPath\":\"{path.Path.BaseName}\",\"x\":\"{new string('x', 64 << 10)}\"}}"
        };
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge,
            (await V1Push.SendReportAsync(M, push.Id, new JsonObject { ["realisations"] = new JsonArray(realisation) })).Status);
    }

    [Fact]
    public async Task Many_who_ask_whether_it_is_ready_cost_few_statements()
    {
        const int Asked = 200;
        await using var postgres = await PostgresServer.StartAsync(settings: "log_statement=all");
        var database = await postgres.CreateDatabaseAsync();
        await using var server = await ServerProcess.StartAsync("--postgres", database);
        using var anybody = new Publisher("anybody", server.Url, null);
        await using var source = NpgsqlDataSource.Create(database);
        await MarkAsync("before");

        for (var i = 0; i < Asked; i++)
            (await anybody.GetAsync("/readyz")).OrThrow();

        await MarkAsync("after");
        var log = postgres.Log;
        var between = log[log.IndexOf("select 'before'", StringComparison.Ordinal)..log.IndexOf("select 'after'",
            StringComparison.Ordinal)];
        Assert.InRange(between.Split("LOG:").Length, 0, Asked / 2);

        async Task MarkAsync(string mark)
        {
            await using var command = source.CreateCommand($"select '{mark}'");
            await command.ExecuteNonQueryAsync();
            await Eventually.BecomesTrueAsync(() => postgres.Log.Contains($"select '{mark}'", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_token_file_with_a_token_that_can_be_guessed_is_refused_at_the_start()
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["tokens"], "0123456789abcdefghi\n");
        var database = await (await PostgresServer.Shared).CreateDatabaseAsync();

        var refused = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            await using var server = await ServerProcess.StartAsync("--postgres", database, "--token-file", folder["tokens"]);
        });

        Assert.Contains(folder["tokens"], refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("0123456789abcdefghi", refused.Message, StringComparison.Ordinal);
    }
}
