using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>H7, H9 and the flooding of M: what is said of sizes, and what few bytes can make of themselves.</summary>
public sealed partial class TrustTests
{
    private const int AtOnce = 40;
    private const long MaxMemory = 600L << 20;

    // In a second, of a hundred. A server that does nothing takes two, now and then five.
    private const int IdleTicks = 15;
    private const int WideWindow = 27;
    private const int NixWindow = 23;

    [Theory]
    [OnFolder([V1, Niks3], [V1, Niks3])]
    [OnBucket([V1, Niks3], [V1, Niks3])]
    public Task A_NAR_of_the_largest_number_of_bytes_keeps_nobody_from_the_NAR_of_its_hash(StoreKind store, Protocol m, Protocol v) =>
        AssertNotHeldUpAsync(store, m, v, long.MaxValue);

    [Theory]
    [OnFolder([V1, Niks3], [V1])]
    [OnBucket([V1, Niks3], [V1])]
    public Task A_claim_that_would_last_for_millennia_is_not_waited_for(StoreKind store, Protocol m, Protocol v) =>
        AssertNotHeldUpAsync(store, m, v, 1L << 61);

    [Theory]
    [OnFolder([V1, Niks3], [V1])]
    [OnBucket([V1, Niks3], [V1])]
    public Task A_claim_of_another_size_is_not_waited_for(StoreKind store, Protocol m, Protocol v) =>
        AssertNotHeldUpAsync(store, m, v, 48L << 30);

    [Fact]
    public Task Open_JSON_bodies_with_a_wide_window_take_little_memory() => AssertSmallAsync(
        JsonHead, ZstdBomb.Make("{"u8, (byte)' ', 121, WideWindow));

    [Fact]
    public Task Open_JSON_bodies_of_one_long_string_take_little_memory() => AssertSmallAsync(
        JsonHead, ZstdBomb.Make("{\"paths\":[\""u8, (byte)'a', 60, NixWindow));

    [Fact]
    public Task Open_listings_with_a_wide_window_take_little_memory() => AssertSmallAsync(
        request => NixHead(request, $"{TrustPath.NewPath("own").Hash}.ls", "Content-Encoding: zstd\r\n"),
            ZstdBomb.Make("{"u8, (byte)' ', 60, WideWindow));

    [Fact]
    public Task Open_logs_of_much_text_take_little_memory() => AssertSmallAsync(
        request => NixHead(request, $"log/{TrustPath.NewPath("own.drv").BaseName}", "Content-Encoding: zstd\r\n"),
            ZstdBomb.Make("log"u8, (byte)' ', 60, NixWindow));

    [Fact]
    public Task Open_NARs_with_a_wide_window_take_little_memory() => AssertSmallAsync(
        request => NixHead(request, $"nar/{Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)).ToNix32()}.nar.zst", ""),
            ZstdBomb.Make("nix-archive-1"u8, 0, 121, WideWindow));

    [Theory]
    [OnFolder([V1, Niks3])]
    public async Task Logs_with_a_wide_window_are_read_in_little_memory(StoreKind store, Protocol m)
    {
        await using var server = await TrustServer.StartAsync(store);
        var M = await server.PublisherAsync("push");
        var path = TrustPath.Make("own")
            .BuiltWith("log") with
        { PackedLog = ZstdBomb.Make("log"u8, (byte)' ', 31, WideWindow, isWhole: true) };
        await Pushing.TryAsync(() => M.PushAsync(m, path));

        // As far as the log goes they read, and then no more.
        await AssertSmallAsync(server, _ => $"GET /log/{path.Deriver!.Value.BaseName} HTTP/1.1", [], mebibytes: 30);
    }

    [Fact]
    public async Task Hashes_that_collide_take_no_more_time_than_others()
    {
        await using var server = await TrustServer.StartAsync(StoreKind.Folder);
        var M = await server.PublisherAsync("push");
        // Refused at its end, as its root is none of its paths: nothing but the server's own work is compared. The first warms up.
        await TicksAsync(collide: false);
        var (others, colliding) = (await TicksAsync(collide: false), await TicksAsync(collide: true));

        Assert.True(colliding <= (3 * others) + 50, $"{colliding / 100.0} s for hashes that collide, {others / 100.0} s for others");

        async Task<long> TicksAsync(bool collide)
        {
            const int Count = 40_000;
            var body = new JsonObject
            {
                ["roots"] = new JsonArray(TrustPath.NewPath("root").Hash.ToString()),
                ["paths"] = new JsonArray([.. Enumerable.Range(0, Count)
                    .Select(i => (JsonNode)new JsonObject { ["path"] = $"{Hash(collide)}-a", ["narHash"] = NarHash, ["narSize"] = 100 })]),
            };
            var before = server.Process.ProcessorTicks;
            Assert.False((await V1Push.SendBeginAsync(M, body)).IsSuccess);
            return server.Process.ProcessorTicks - before;
        }

        // Eight of twenty bytes are what a dictionary would look at.
        static StorePathHash Hash(bool collide)
        {
            var bytes = RandomNumberGenerator.GetBytes(StorePathHash.ByteLength);
            if (collide)
                bytes.AsSpan(4, 8).Clear();
            return StorePathHash.FromBytes(bytes);
        }
    }

    private static readonly string NarHash = Sha256Hash.Compute("a NAR"u8).ToNix32String();

    /// <summary>M claims V's NAR with a size that is not its own, and leaves.</summary>
    private async Task AssertNotHeldUpAsync(StoreKind store, Protocol m, Protocol v, long size)
    {
        var server = await servers.On(store);
        var (M, V, _) = await server.PublishersAsync();
        var path = TrustPath.Make("honest");
        await Pushing.TryAsync(() => M.OpenAsync(m, path with { Path = TrustPath.NewPath("own"), NarSize = size }));

        await V.PushAsync(v, path);

        await server.Reader.AssertWholeAsync(path);
    }

    private static string JsonHead((Publisher M, int Length) request) =>
        $"POST {V1Push.Cache}/missing HTTP/1.1\r\nAuthorization: Bearer {request.M.Secret}\r\nContent-Type: " +
            $"application/json\r\nContent-Encoding: zstd\r\nContent-Length: {request.Length}";

    private static string NixHead((Publisher M, int Length) request, string key, string more) =>
        $"PUT {NixPush.Write}/{key} HTTP/1.1\r\n{more}Authorization: Basic " +
            $"{Convert.ToBase64String(Encoding.UTF8.GetBytes($"ci:{request.M.Secret}"))}\r\nContent-Length: {request.Length}";

    private static async Task AssertSmallAsync(Func<(Publisher M, int Length), string> head, byte[] body)
    {
        Assert.InRange(body.Length, 1, 4 << 10);
        await using var server = await TrustServer.StartAsync(StoreKind.Folder);
        var M = await server.PublisherAsync("push");
        // All but the last byte is there: nobody can be done with it.
        await AssertSmallAsync(server, _ => head((M, body.Length + 1)), body);
    }

    /// <summary>
    /// So many requests under way at once: what the server has of memory until it has come to rest, or until all are answered.
    /// </summary>
    private static async Task AssertSmallAsync(TrustServer server, Func<int, string> head, byte[] body, int mebibytes = 0)
    {
        var requests = await Task.WhenAll(Enumerable.Range(0, AtOnce)
            .Select(i => OpenRequest.SendAsync(server.Process.Url, head(i), body)));
        try
        {
            var reading = Task.WhenAll(requests.Select(r => r.ReadAsync((long)mebibytes << 20)));
            await Eventually.BecomesTrueAsync(async () =>
            {
                var before = server.Process.ProcessorTicks;
                await Task.Delay(TimeSpan.FromSeconds(1));
                return server.Process.Memory > MaxMemory || (mebibytes == 0 && requests.All(r => r.IsAnswered))
                    || (reading.IsCompleted && server.Process.ProcessorTicks - before <= IdleTicks);
            }, describe: () => $"rest; {requests.Count(r => r.IsAnswered)} of {AtOnce} are answered, reading: {reading.Status}");
            Assert.InRange(server.Process.PeakMemory, 0, MaxMemory);
        }
        finally
        {
            foreach (var request in requests)
                request.Dispose();
        }
    }
}
