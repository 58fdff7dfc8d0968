using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>
/// H5 and H11: a push, its uploads and its idempotency key belong to who began it. M knows every id and every hash of V's.
/// </summary>
public sealed partial class TrustTests
{
    [Theory]
    [OnFolder(v: [V1, Niks3])]
    [OnBucket(v: [V1, Niks3])]
    public async Task To_others_a_push_is_as_unknown_as_one_that_never_was(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var push = await V.OpenAsync(v, path);
        await push.UploadAsync();

        foreach (var ask in Operations(M, path))
        {
            var (asked, never) = (await ask(push.Id), await ask(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))));
            Assert.Equal(never.Status, asked.Status);
            Assert.InRange((int)asked.Status, 400, 499);
            Assert.Equal(Problem(never), Problem(asked));
        }

        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder(v: [V1, Niks3])]
    [OnBucket(v: [V1, Niks3])]
    public async Task Another_cannot_end_a_push(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var push = await V.OpenAsync(v, path);

        await M.SendAsync(HttpMethod.Delete, $"{V1Push.Cache}/pushes/{push.Id}");

        await push.UploadAsync();
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder(v: [V1, Niks3])]
    [OnBucket(v: [V1, Niks3])]
    public async Task Another_gets_no_URL_of_a_push(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var push = await V.OpenAsync(v, path);

        List<Answer> answers = [await V1Push.WaitAsync(M, push.Id, [path.Path.Hash.ToString()])];
        if (push is V1Push own)
            answers.Add(await V1Push.UrlsAsync(M, own.Id, (string)own.GrantOf(path)["id"]!));
        if (push is Niks3Push other)
            answers.Add(await Niks3Push.MorePartsAsync(M, path, other.UploadOf(path)));

        Assert.All(answers, answer => Assert.DoesNotContain("/nar/", answer.Text, StringComparison.Ordinal));
    }

    [Theory]
    [OnFolder(v: [V1, Niks3])]
    [OnBucket(v: [V1, Niks3])]
    public async Task Another_cannot_rewrite_a_listing(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        var push = await V.OpenAsync(v, path);
        await push.UploadAsync();

        await V1Push.SendReportAsync(M, push.Id,
            new JsonObject { ["listings"] = new JsonArray(V1Push.Listing(path with { Listing = FalseListing })) });

        await push.CommitAsync();
        await server.Reader.AssertListingAsync(path);
    }

    [Theory]
    [OnFolder(v: [V1, Niks3])]
    [OnBucket(v: [V1, Niks3])]
    public async Task Another_cannot_rewrite_a_deriver(StoreKind store, Protocol v)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest") with { Deriver = TrustPath.NewPath("honest.drv") };
        var push = await V.OpenAsync(v, path);
        await push.UploadAsync();

        await Niks3Push.SendSignAsync(M, push.Id, [path with { Deriver = TrustPath.NewPath("another.drv") }]);

        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder([V1, Niks3])]
    [OnBucket([V1, Niks3])]
    public async Task Another_cannot_publish_before_all_was_sent(StoreKind store, Protocol m)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest").BuiltWith("its log");
        var push = await V1Push.BeginAsync(V, path);
        await push.UploadNarsAsync();

        await (m == V1 ? V1Push.SendCommitAsync(M, push.Id) : Niks3Push.SendCompleteAsync(M, push.Id));

        await push.ReportExtrasAsync();
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
        await server.Reader.AssertListingAsync(path);
        Assert.Equal(path.Log, await server.Reader.TextAsync($"/log/{path.Deriver!.Value.BaseName}"));
    }

    [Theory]
    [OnBucket]
    public async Task Another_cannot_join_the_parts_of_an_upload_that_niks3_sends(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        // S3 wants 5 MiB in all parts but the last.
        var path = TrustPath.Make(TrustPath.NewPath("honest"), 6 << 20);
        var push = await Niks3Push.CreateAsync(V, path);
        var first = await push.SendPartAsync(path, 0, path.File[..(5 << 20)]);

        await Niks3Push.CompleteUploadAsync(M, path, push.UploadOf(path), [first]);

        var second = await push.SendPartAsync(path, 1, path.File[(5 << 20)..]);
        (await Niks3Push.CompleteUploadAsync(V, path, push.UploadOf(path), [first, second])).OrThrow();
        await push.SendExtrasAsync();
        await push.SignAsync();
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task Another_cannot_join_the_parts_of_an_upload_by_a_report_of_its_own_push(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        // Beyond 16 MiB a NAR goes in parts.
        var path = TrustPath.Make(TrustPath.NewPath("honest"), 17 << 20);
        var push = await V1Push.BeginAsync(V, path);
        var grant = push.GrantOf(path);
        var parts = path.File.Chunk((int)grant["partSize"]!).ToList();
        await push.SendPartAsync(grant, 0, parts[0]);

        var own = await V1Push.BeginAsync(M, TrustPath.Make("own"));
        await V1Push.SendReportAsync(M, own.Id, V1Push.Reported(grant, path with { File = parts[0] }));

        for (var i = 1; i < parts.Count; i++)
            await push.SendPartAsync(grant, i, parts[i]);
        Assert.Empty((await push.ReportAsync(V1Push.Reported(grant, path)))["rejected"]!.AsArray());
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task The_id_of_a_push_tells_nothing_of_the_next(StoreKind store)
    {
        var server = await servers.On(store);
        var M = await server.PublisherAsync("push");

        var ids = new List<string>();
        foreach (var protocol in (Protocol[])[V1, V1, Niks3, Niks3])
            ids.Add((await M.OpenAsync(protocol, TrustPath.Make("own"))).Id);

        Assert.All(ids, id => Assert.Matches("^[0-9a-f]{32}$", id));
        // Of 16 bytes by chance at most a few agree.
        var bytes = ids.ConvertAll(Convert.FromHexString);
        Assert.All(bytes.Zip(bytes.Skip(1)), pair => Assert.InRange(pair.First.Zip(pair.Second).Count(b => b.First == b.Second), 0, 6));
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task Who_begins_a_push_says_who_else_may_commit_it(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, D) = await server.PublishersAsync();
        var (path, pin) = (TrustPath.Make("reviewed"), NewPin());
        var body = V1Push.Body(path, pin);
        body["committers"] = new JsonArray(D.Id);
        // Who begins with a pin may set it.
        var push = await V1Push.BeginAsync(await server.PublisherAsync("push", "pin"), path, body);
        await push.UploadAsync();

        foreach (var other in (Publisher[])[M, V, await server.PublisherAsync("push", "pin")])
            Assert.False((await V1Push.SendCommitAsync(other, push.Id)).IsSuccess);
        (await V1Push.SendCommitAsync(D, push.Id)).OrThrow();

        Assert.Equal(path.Path.ToString(), await server.Reader.TextAsync($"/pins/{pin}"));
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_key_that_another_has_used_opens_a_push_all_the_same(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var (path, key) = (TrustPath.Make("honest"), $"job-{Guid.NewGuid():n}");
        await V1Push.SendBeginAsync(M, V1Push.Body(TrustPath.Make("own")), key);

        var push = await V1Push.BeginAsync(V, path, key: key);

        await push.UploadAsync();
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task The_same_key_and_closure_join_no_push_of_another(StoreKind store)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var (path, key) = (TrustPath.Make("honest"), $"job-{Guid.NewGuid():n}");

        var before = await V1Push.BeginAsync(M, path, key: key);
        var push = await V1Push.BeginAsync(V, path, key: key);
        var after = await V1Push.BeginAsync(M, path, key: key);
        Assert.NotEqual(before.Id, push.Id);
        Assert.Equal(before.Id, after.Id);

        await V1Push.EndAsync(M, before.Id);
        await push.UploadAsync();
        await push.CommitAsync();
        await server.Reader.AssertWholeAsync(path);
    }

    [Theory]
    [OnFolder]
    [OnBucket]
    public async Task A_key_that_another_has_used_for_a_pin_sets_a_pin_all_the_same(StoreKind store)
    {
        var server = await servers.On(store);
        var (_, _, D) = await server.PublishersAsync();
        var other = await server.PublisherAsync("push", "pin");
        var (path, key, pin) = (TrustPath.Make("honest"), $"job-{Guid.NewGuid():n}", NewPin());
        await D.PushAsync(V1, path);
        await PutPinAsync(other, NewPin());

        (await PutPinAsync(D, pin)).OrThrow();

        Assert.Equal(path.Path.ToString(), await server.Reader.TextAsync($"/pins/{pin}"));

        Task<Answer> PutPinAsync(Publisher who, string name) => who.SendAsync(
            HttpMethod.Put, $"{V1Push.Cache}/pins/{name}", Publisher.Json(new JsonObject { ["path"] = path.Path.BaseName }),
            headers: ("Idempotency-Key", key));
    }

    private const string FalseListing = """{"version":1,"root":{"type":"regular","size":1,"executable":true}}""";

    /// <summary>All that can be asked of a push by its id; what ends it comes last.</summary>
    private static IEnumerable<Func<string, Task<Answer>>> Operations(Publisher who, TrustPath path) =>
    [
        id => V1Push.RenewAsync(who, id),
        id => V1Push.WaitAsync(who, id, [path.Path.Hash.ToString()], 0),
        id => V1Push.SendReportAsync(who, id, []),
        id => V1Push.UrlsAsync(who, id, $"1~{new string('0', 52)}.nar.zst~1~{new string('0', 52)}~"),
        id => Niks3Push.SendSignAsync(who, id, [path]),
        id => Niks3Push.SendCompleteAsync(who, id),
        id => V1Push.SendCommitAsync(who, id),
        id => V1Push.EndAsync(who, id),
    ];

    // Its type, or niks3's line without what tells one push from another.
    private static string Problem(Answer answer) => answer.Text.StartsWith('{') ? (string)answer.Json["type"]! : "a line";
}
