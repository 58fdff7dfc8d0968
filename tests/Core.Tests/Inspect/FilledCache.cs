using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Nix;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Inspect;

/// <summary>A cache of a ← b ← c with a listing of b, a log of a, a realisation of c and a pin.</summary>
internal static class FilledCache
{
    public static readonly StorePath Drv = StorePath.Parse($"{World.Hash("drv")}-a.drv");
    public static readonly string Log = $"log/{Drv.BaseName}";
    public static readonly string Realisation = $"realisations/sha256:{new string('0', 64)}!out.doi";

    public static async Task<World> FilledAsync(PushOptions? options = null)
    {
        var world = await World.CreateAsync(options);
        var push = await world.BeginAsync(World.Chain("a", "b", "c"));
        foreach (var grant in push.Uploads)
            await world.UploadAsync(push, [grant]);
        await world.Pushes.ReportAsync(CacheName.Default, World.Id(push), new UploadReport
        {
            Logs = [new LogContent { Drv = Drv, Path = World.Hash("a"), Content = [1, 2] }],
            Listings = [new PathListing { Path = World.Hash("b"), Content = [2] }],
            Realisations = [new RealisationContent { Id = RealisationId.Parse($"sha256:{new string('0', 64)}!out"), Path = World.Hash("c"),
                Content = "{}" }],
        }, CancellationToken.None);
        await world.CommitAsync(push);
        await world.ExecuteAsync(
            "insert into pin (cache_id, name, path_id, revision, written) select 1, 'main', id, 1, 1 from store_path where name = 'c'");
        await world.ExecuteAsync("insert into pin_revision (pin_id, revision, path_id) select id, 1, path_id from pin");
        Put(world, "pins/main", World.Path("c").Path.ToString());
        Put(world, "nix-cache-info", "StoreDir: /nix/store\n");
        Put(world, "backup/db.tar", "theirs");
        return world;
    }

    public static async Task<(List<FsckFinding> Findings, FsckTally Tally)> CheckAsync(World world)
    {
        var tally = new FsckTally();
        var findings = new List<FsckFinding>();
        await foreach (var finding in world.Core.Fsck.CheckAsync(CacheName.Default, tally, CancellationToken.None))
            findings.Add(finding);
        return (findings, tally);
    }

    public static async Task<FsckFinding> AssertFindingAsync(World world, FsckKind kind, string key)
    {
        var finding = Assert.Single((await CheckAsync(world)).Findings);
        Assert.Equal((kind, key), (finding.Kind, finding.Key));
        return finding;
    }

    public static string NarInfoKey(string name) => $"{World.Hash(name)}.narinfo";

    public static void Put(World world, string key, string text) => world.Store.Objects[key] = Encoding.UTF8.GetBytes(text);
}
