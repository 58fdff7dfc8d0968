using System.Diagnostics.Metrics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests.Protocols.Niks3;

/// <summary>Pushes of newer clients, which ask first and push many roots at once, over each store and two gateways that take turns.</summary>
public abstract partial class NewerClientTests(bool onS3)
{
    [Fact]
    public async Task A_push_of_many_roots_is_one_push_and_each_root_is_a_closure()
    {
        await using var cache = await StartAsync();
        var client = cache.Client();
        var newer = new NewerNiks3Client(client);
        var shared = TestPath.Make("shared").BuiltWith("shared log\n").Realised();
        TestPath[] roots = [TestPath.Make("one", shared), TestPath.Make("two", shared), shared];

        Assert.NotNull(await newer.PushAsync(roots));

        foreach (var path in roots.SelectMany(r => r.Closure()).Distinct())
            await cache.AssertPublishedAsync(path);
        Assert.Equal("shared log\n", Encoding.UTF8.GetString(Zstd.Decompress((await cache.ReadAsync(shared.LogKey))!, 1000)));
        Assert.NotNull(await cache.ReadAsync(shared.Realisation!));
        foreach (var root in roots)
            Assert.Equal(HttpStatusCode.OK, (await client.SendAsync(HttpMethod.Get, $"api/closures/{root.NarInfoKey}")).StatusCode);
        Assert.Equal(1, await cache.CountAsync("select count(*) from push where operation like 'deferred:%'"));
        Assert.Empty(await cache.FsckAsync());
    }

    [Fact]
    public async Task What_is_present_is_not_pushed_again_and_outlives_a_collection()
    {
        await using var cache = await StartAsync();
        var newer = new NewerNiks3Client(cache.Client());
        var library = TestPath.Make("library");
        TestPath[] roots = [TestPath.Make("one", library), TestPath.Make("two", library)];
        await newer.PushAsync(roots);
        var other = TestPath.Make("other");
        await newer.PushAsync(other);

        Assert.Null(await newer.PushAsync(roots));
        await cache.CollectAsync();

        foreach (var path in roots.SelectMany(r => r.Closure()).Distinct())
            await cache.AssertPublishedAsync(path);
        Assert.Null(await cache.NarInfoAsync(other));
        Assert.Empty(await newer.PresentAsync(other.NarInfoKey, library.NarInfoKey, "x.narinfo", library.NarKey, ""));
    }

    [Fact]
    public async Task A_push_that_is_not_there_any_more_is_404_and_present_tells_whether_it_was_committed()
    {
        await using var cache = await StartAsync();
        var newer = new NewerNiks3Client(cache.Client());
        var app = TestPath.Make("app");
        var id = await newer.PushAsync(app);

        // Completing again is no error here; after the push is forgotten it is.
        Assert.Equal(HttpStatusCode.NoContent, await newer.CompleteAsync(id!));
        Assert.Equal(HttpStatusCode.NotFound, await newer.CompleteAsync("018f0000-0000-7000-8000-000000000000"));
        Assert.Equal([app.NarInfoKey], await newer.PresentAsync(app.NarInfoKey));
    }

    [Fact]
    public async Task A_log_stays_with_the_path_that_refers_to_it()
    {
        await using var cache = await StartAsync();
        var newer = new NewerNiks3Client(cache.Client());
        var library = TestPath.Make("library").BuiltWith("log\n");
        await newer.PushAsync(TestPath.Make("app", library));
        // The root goes, and the library is pushed for itself.
        await newer.PushAsync(library);

        await cache.Core.Database.RunAsync("delete from root r using store_path s where s.id = r.path_id and s.name = 'app'", _ => { },
            CancellationToken.None);
        await cache.Core.Database.RunAsync("update push set expires = expires - interval '10 hours'", _ => { }, CancellationToken.None);
        await newer.PresentAsync(library.NarInfoKey);
        await cache.CollectAsync();

        Assert.NotNull(await cache.ReadAsync(library.LogKey));
    }

    [Theory]
    [InlineData("""{"roots":[],"objects":[]}""", "missing closure key, or roots")]
    [InlineData("""{"roots":["x"],"objects":[{"key":"x","type":"nar"}]}""", "a closure's key must be hash.narinfo: x")]
    [InlineData("""{"roots":["0c5b8vw40dy178xlpddw65q9gf1h2186.narinfo"],"objects":null}""", "missing objects key")]
    public async Task A_push_that_no_client_sends_is_refused(string json, string expected)
    {
        await using var cache = await StartAsync();

        Assert.Equal((HttpStatusCode.BadRequest, expected),
            await Niks3Client.ErrorAsync(await cache.Client().PostAsync("api/pushes", JsonNode.Parse(json))));
    }

    [Fact]
    public async Task A_root_that_is_not_among_the_objects_is_refused()
    {
        await using var cache = await StartAsync();
        var body = NewerNiks3Client.CreateBody([TestPath.Make("app")]);
        body["roots"]!.AsArray().Add(TestPath.Make("absent").NarInfoKey);

        Assert.Equal(HttpStatusCode.BadRequest, (await Niks3Client.ErrorAsync(await cache.Client().PostAsync("api/pushes", body))).Status);
    }

    [Fact]
    public async Task Uploads_by_one_PUT_are_told_of_and_keys_that_are_none_are_refused()
    {
        await using var cache = await StartAsync();
        var newer = new NewerNiks3Client(cache.Client());
        var app = TestPath.Make("app");

        foreach (var key in new[] { app.NarKey, app.NarInfoKey, app.ListingKey })
            Assert.Equal(HttpStatusCode.NoContent, await newer.RegisterAsync(key));
        Assert.Equal(HttpStatusCode.BadRequest, await newer.RegisterAsync("nix-cache-info"));
    }

    [Fact]
    public async Task Paths_that_are_left_out_for_their_size_are_counted()
    {
        await using var cache = await StartAsync();
        var counted = new Dictionary<string, long>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == Telemetry.Name && instrument.Name.StartsWith("orleans_cache.skipped", StringComparison.Ordinal))
                    l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, count, _, _) =>
        {
            lock (counted)
                counted[instrument.Name] = counted.GetValueOrDefault(instrument.Name) + count;
        });
        listener.Start();

        var answer = await cache.Client().PostAsync("api/uploads/skipped", JsonNode.Parse("""{"paths":3,"nar_bytes":5000000000}"""));
        var absurd = await cache.Client().PostAsync("api/uploads/skipped", JsonNode.Parse("""{"paths":1,"nar_bytes":18446744073709551615}"""));

        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.BadRequest), (answer.StatusCode, absurd.StatusCode));
        Assert.Equal((3, 5_000_000_000), (counted["orleans_cache.skipped_paths"], counted["orleans_cache.skipped"]));
    }

    [Fact]
    public async Task The_configuration_says_how_large_a_NAR_may_be()
    {
        await using var cache = await StartAsync();

        var config = await Niks3Client.JsonAsync(await cache.Client().SendAsync(HttpMethod.Get, "api/cache-config"));

        Assert.Equal(["substituter_url", "public_keys", "max_nar_size", "pushes"], config.AsObject().Select(p => p.Key));
        Assert.Equal(NarInfo.MaxNarSize, (long)config["max_nar_size"]!);
    }

    private Task<Niks3Cache> StartAsync() => Niks3Cache.StartAsync(onS3);
}

/// <summary>Over a directory.</summary>
public sealed class NewerClientOnADirectoryTests() : NewerClientTests(onS3: false);

/// <summary>Over S3.</summary>
public sealed class NewerClientOnS3Tests() : NewerClientTests(onS3: true);
