using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using OrleansCache.EndToEnd.Tests.Trust;
using OrleansCache.Nix;
using static OrleansCache.EndToEnd.Tests.Trust.Protocol;
using Words = OrleansCache.EndToEnd.Tests.Trust.Protocol;

namespace OrleansCache.Storm;

/// <summary>
/// The rows of the table of docs/trust.md's tests, on the paths that honest clients push. What an honest client alone may do, and this one
/// is let do, is a violation.
/// </summary>
/// <param name="fleet">An honest client's credential, as a browser sends it along for a page from elsewhere.</param>
internal sealed class HostileAttempts(Publisher m, Publisher fleet, Overheard overheard, StormReport tally, Random random)
{
    private const int ManySignatures = 100_000;
    private const long WideWindow = 121L << 20;
    private static readonly TimeSpan BombsOpen = TimeSpan.FromSeconds(1);

    // Of all hostile clients: bodies that are held open, and bodies of ten megabytes.
    private static readonly SemaphoreSlim Bombs = new(8);
    private static readonly SemaphoreSlim Large = new(1);
    private static readonly byte[] Bomb = OrleansCache.Testing.ZstdBomb.Make("{", WideWindow, ' ', "", windowLog: 27);

    public IReadOnlyList<Attempt> All =>
    [
        new("noise under a known hash", NoiseAsync),
        new("no references", cargo => PushAsync(Of(cargo) with { References = [] })),
        new("another name", cargo => PushAsync(Of(cargo).Renamed("squatted"))),
        new("squatting", SquatAsync),
        new("others' pushes", _ => TrespassAsync()),
        new("signatures and ca", GrammarAsync),
        new("sizes", SizesAsync),
        new("realisation ids", RealisationsAsync),
        new("bombs", _ => BombsAsync()),
        new("others' keys", _ => KeysAsync()),
        new("sign before upload", SignAsync),
        new("forms", FormsAsync),
        new("NULs", NulsAsync),
        new("others' pins", PinsAsync),
        new("others' logs", LogsAsync),
    ];

    /// <summary>H10: other bytes of a path that somebody else is about to push.</summary>
    public Attempt Squat => new("squatting", SquatAsync);

    private Task<IPush> SquatAsync(SimulatedClosure cargo) => PushAsync(TrustPath.Make(cargo.Root));

    // H2: under a path of its own, or the path itself.
    private Task<IPush> NoiseAsync(SimulatedClosure cargo)
    {
        var noise = Of(cargo).WithNoise();
        noise = random.Next(2) == 0 ? noise
            : noise with { Path = TrustPath.NewPath("noise"), ClaimedFileHash = Sha256Hash.Compute(noise.File), References = [] };
        return m.PushAsync(random.Next(2) == 0 ? V1 : Niks3, noise);
    }

    private Task<IPush> PushAsync(TrustPath root) => m.PushAsync((Words)random.Next(3), root);

    // H5
    private async Task TrespassAsync()
    {
        if (overheard.Any(random) is not { } leak)
            return;
        var (path, id) = (Of(leak.SimulatedClosure), leak.Push);
        var answers = new List<Answer>
        {
            await V1Push.RenewAsync(m, id),
            await V1Push.WaitAsync(m, id, [path.Path.Hash.ToString()], 0),
            await V1Push.SendReportAsync(m, id,
                new JsonObject { ["listings"] = new JsonArray(V1Push.Listing(path with { Listing = "{}" })) }),
            await Niks3Push.SendSignAsync(m, id, [path.Renamed("another")]),
        };
        foreach (var grant in leak.Grants.Take(2))
        {
            answers.Add(await V1Push.UrlsAsync(m, id, grant));
            answers.Add(await V1Push.SendReportAsync(m, id, V1Push.Reported(new JsonObject { ["id"] = grant }, path)));
        }

        foreach (var (nar, upload) in leak.Multiparts.Take(2))
        {
            answers.Add(await Niks3Push.MorePartsAsync(m, path with { NarHash = nar }, upload));
            answers.Add(await Niks3Push.CompleteUploadAsync(m, path with { NarHash = nar }, upload, [new string('0', 32)]));
        }

        answers.Add(random.Next(2) == 0 ? await V1Push.SendCommitAsync(m, id) : await Niks3Push.SendCompleteAsync(m, id));
        answers.Add(await V1Push.EndAsync(m, id));
        foreach (var answer in answers.Where(a => a.IsSuccess))
            tally.Violation($"H5: push {id} is another's: {answer}");
    }

    // H6
    private async Task GrammarAsync(SimulatedClosure cargo)
    {
        var (path, bytes) = (Of(cargo), Convert.ToBase64String(RandomNumberGenerator.GetBytes(64)));
        switch (random.Next(3))
        {
            case 0:
                await PushAsync(path with
                {
                    Signatures = [random.Next(3) switch { 0 => $"two\nlines:{bytes}", 1 => $"spaced: {bytes}", _ =>
                    $"short:{bytes[..40]}" }]
                });
                break;
            case 1:
                await m.PushAsync(random.Next(2) == 0 ? V1 : Niks3, path with
                {
                    Ca = random.Next(2) == 0 ? "text:sha256:0\nSig: somebody"
                    : "whatever"
                });
                break;
            default:
                var isLarge = await Large.WaitAsync(TimeSpan.Zero);
                try
                {
                    await PushAsync(path with
                    {
                        Signatures = [.. Enumerable.Range(0, isLarge ? ManySignatures : 17)
                        .Select(i => string.Create(CultureInfo.InvariantCulture, $"foreign-{i}:{bytes}"))]
                    });
                }
                finally
                {
                    if (isLarge)
                        Large.Release();
                }

                break;
        }
    }

    // H7: claimed, and left.
    private async Task SizesAsync(SimulatedClosure cargo)
    {
        var path = Of(cargo) with
        {
            References = [],
            NarSize = random.Next(3) switch
            {
                0 => long.MaxValue,
                1 => 1L << 61,
                _ =>
            48L << 30
            }
        };
        path = random.Next(2) == 0 ? path : path with { Path = TrustPath.NewPath("own") };
        await (random.Next(2) == 0 ? V1Push.SendBeginAsync(m, V1Push.Body(path))
            : m.PostAsync("/api/pending_closures", Niks3Push.CreateBody(path)));
    }

    // H8
    private Task<IPush> RealisationsAsync(SimulatedClosure cargo)
    {
        var id = random.Next(3) switch
        {
            0 => $"{Guid.NewGuid():n}.doi/more",
            1 => $"md5:{Guid.NewGuid():n}!out",
            _ =>
            $"p-{Guid.NewGuid():n}"
        };
        return PushAsync(TrustPath.Make("own") with { Realisation = id, Deriver = cargo.Root });
    }

    // H9: all but the last byte is there for a while.
    private async Task BombsAsync()
    {
        if (!await Bombs.WaitAsync(TimeSpan.Zero))
            return;
        try
        {
            await Task.WhenAll(
                m.SendAsync(HttpMethod.Post, $"{V1Push.Cache}/missing", Opened("application/json"), headers: ("Content-Encoding", "zstd")),
                m.SendAsync(HttpMethod.Put, $"{NixPush.Write}/{TrustPath.NewPath("own").Hash}.ls", Opened("application/json"),
                    asBasic: true, headers: ("Content-Encoding", "zstd")),
                m.SendAsync(HttpMethod.Put, $"{NixPush.Write}/log/{TrustPath.NewPath("own.drv").BaseName}", Opened("text/plain"),
                    asBasic: true, headers: ("Content-Encoding", "zstd")),
                m.SendAsync(HttpMethod.Put,
                    $"{NixPush.Write}/nar/{Sha256Hash.FromBytes(RandomNumberGenerator.GetBytes(32)).ToNix32()}.nar.zst",
                    Opened("application/x-nix-nar"), asBasic: true));
        }
        finally
        {
            Bombs.Release();
        }

        static SlowContent Opened(string type) => new(Bomb, BombsOpen) { Headers = { ContentType = MediaTypeHeaderValue.Parse(type) } };
    }

    // H11
    private async Task KeysAsync()
    {
        if (overheard.Any(random) is not { Key: { } key } leak)
            return;
        var answer = await V1Push.SendBeginAsync(m, V1Push.Body(Of(leak.SimulatedClosure)), key);
        if (answer.IsSuccess && (string)answer.Json["id"]! == leak.Push)
            tally.Violation($"H11: another's key gives its push: {answer}");
        if (answer.IsSuccess)
            await V1Push.EndAsync(m, (string)answer.Json["id"]!);
    }

    private async Task SignAsync(SimulatedClosure cargo)
    {
        var path = Of(cargo);
        path = random.Next(2) == 0 ? path : path with { Path = TrustPath.NewPath("own"), References = [] };
        var push = await Niks3Push.CreateAsync(m, path);
        await Niks3Push.SendSignAsync(m, push.Id, path.Closure());
        await push.CommitAsync();
    }

    // A page from elsewhere in the browser of somebody who may pin.
    private async Task FormsAsync(SimulatedClosure cargo)
    {
        var (header, value) = random.Next(2) == 0 ? ("Origin", "http://elsewhere.example") : ("Sec-Fetch-Site", "cross-site");
        List<Answer> answers =
        [
            await fleet.SendAsync(HttpMethod.Post, $"/pin/{cargo.Root.Hash}.narinfo", asBasic: true, headers: (header, value)),
            await fleet.SendAsync(HttpMethod.Post, "/api/pins/own-0",
                Publisher.Bytes(Encoding.UTF8.GetBytes($$"""{"store_path":"{{cargo.Root}}"}"""), "text/plain"), asBasic: true,
                headers: (header, value)),
        ];
        if (overheard.Any(random) is { } leak)
            answers.Add(await fleet.SendAsync(HttpMethod.Delete, $"{V1Push.Cache}/pushes/{leak.Push}", asBasic: true,
                headers: (header, value)));
        foreach (var answer in answers.Where(a => a.IsSuccess))
            tally.Violation($"a page from elsewhere was obeyed: {answer}");
    }

    private async Task NulsAsync(SimulatedClosure cargo)
    {
        var body = V1Push.Body(Of(cargo) with { References = [] });
        body["paths"]![0]![random.Next(3) switch { 0 => "ca", 1 => "deriver", _ => "path" }] = "text\0";
        await V1Push.SendBeginAsync(m, body, "key");
        await m.GetAsync($"{NixPush.Write}/nar/%00.nar.zst");
        await m.PostAsync("/api/pending_closures", new JsonObject { ["closure"] = "\0", ["objects"] = new JsonArray() });
    }

    private async Task PinsAsync(SimulatedClosure cargo)
    {
        List<Answer> answers =
        [
            await m.SendAsync(HttpMethod.Put, $"{V1Push.Cache}/pins/own-0",
                Publisher.Json(new JsonObject { ["path"] = cargo.Root.BaseName })),
            await m.PostAsync("/api/pins/own-0", new JsonObject { ["store_path"] = cargo.Root.ToString() }),
            await m.PostAsync($"/c/default/pin/{cargo.Root.Hash}.narinfo"),
            await V1Push.SendBeginAsync(m, V1Push.Body(Of(cargo), "own-0")),
        ];
        foreach (var answer in answers.Where(a => a.IsSuccess))
            tally.Violation($"H10: who may not pin moved a pin: {answer}");
    }

    private async Task LogsAsync(SimulatedClosure cargo)
    {
        foreach (var path in cargo.Paths.Take(3))
        {
            await NixPush.PutAsync(m, $"{path.Path.Hash}.ls", """{"version":1,"root":{"type":"regular","size":1}}""");
            if (path.Package.Deriver is { } deriver)
                await NixPush.PutAsync(m, $"log/{deriver.BaseName}", "<script>");
            if (path.Package.Realisation is { } realisation)
                await NixPush.PutAsync(m, realisation, $$"""{"outPath":"{{cargo.Root.BaseName}}"}""");
        }
    }

    /// <summary>As its honest pusher declares it, and with its bytes.</summary>
    public static TrustPath Of(SimulatedClosure cargo)
    {
        var made = new Dictionary<StorePath, TrustPath>();
        foreach (var path in cargo.Paths)
        {
            var others = path.References.Where(r => r != path.Path).Select(r => made[r]);
            made[path.Path] = new TrustPath(path.Path, path.Build.Nar)
            {
                File = path.Build.File,
                References = [.. others],
                Deriver = path.Package.Deriver
            };
        }

        return made[cargo.Root];
    }
}
