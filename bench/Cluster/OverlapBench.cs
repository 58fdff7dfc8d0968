using System.Globalization;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Bench.Cluster;

/// <summary>
/// A hundred runners whose closures are not the same but share nine tenths: all of one trust group, and each of its own; beside what one of
/// them pushes alone, and what all push without the part that they share.
/// </summary>
internal sealed class OverlapBench
{
    public const int Runners = 100;
    public const int OwnPaths = 12;
    private const int WholeRuns = 3;
    // They make members compile what small paths need.
    private const int WarmRunners = 16;

    private readonly Load _load;
    private readonly SmallCargo _small;
    private readonly Cargo _shared, _sharedByGroups;
    private readonly IReadOnlyList<Cargo> _whole, _own, _overlap, _groups, _warming;

    private OverlapBench(Load load, SmallCargo small, IReadOnlyList<Cargo> shared)
    {
        (_load, _small, _shared, _sharedByGroups) = (load, small, shared[0], shared[1]);
        _overlap = Closures("overlap", _shared, Runners);
        _groups = Closures("groups", _sharedByGroups, Runners);
        _whole = [.. shared.Skip(2).SelectMany((part, i) => Closures(Text($"whole-{i}"), part, 1))];
        _own = Closures("own", null, Runners);
        _warming = Closures("own-warming", null, WarmRunners);

        IReadOnlyList<Cargo> Closures(string name, Cargo? below, int count) =>
            [.. Enumerable.Range(0, count).Select(i => small.Make(Text($"{name}/{i}"), OwnPaths, below))];
    }

    /// <summary>Makes the closures; the same for every fleet, as each has a catalog and a store of its own.</summary>
    public static async Task<OverlapBench> PrepareAsync(Load load, ClosureSet set, SmallCargo small)
    {
        var shared = new List<Cargo>();
        for (var i = 0; i < 2 + WholeRuns; i++)
            shared.Add(await Cargo.OfSetAsync(set, Text($"shared-{i}"), SharedPaths(set)));
        return new OverlapBench(load, small, shared);
    }

    /// <summary>So many paths of each closure are in all of them.</summary>
    public static int SharedPaths(ClosureSet set) => set.Paths.Count * 9 / 10;

    /// <param name="runners">Of members that have been warmed.</param>
    public async Task RunAsync(Fleet fleet, IReadOnlyList<Runner> runners)
    {
        await Load.AtOnceAsync(runners, _warming, []);
        _load.Results.Add(await Load.MeasureAsync(fleet, Workload.OneWhole, times => Load.InTurnAsync(runners, _whole, times)));
        _load.Results.Add(await Load.MeasureAsync(fleet, Workload.OwnOnly, times => Load.AtOnceAsync(runners, _own, times)));
        _shared.ForgetUploads();
        var overlap = await Load.MeasureAsync(fleet, Workload.Overlap, times => Load.AtOnceAsync(runners, _overlap, times));
        _load.Results.Add(overlap with { NotUploadedOnce = _shared.NotUploadedOnce });
        // Minutes where each group stores a copy: in an earlier build, and in a bucket, which gateways alone leave unread for a while.
        if (!fleet.IsTheirs && (fleet.IsSilos || fleet.ReadsUploads))
            await GroupsAsync(fleet, runners[0].Api);
    }

    private async Task GroupsAsync(Fleet fleet, Api admin)
    {
        // What one has brought another relies on: that is to be compiled, too.
        foreach (var (i, (one, other)) in (await JoinAsync("one")).Zip(await JoinAsync("other")).Index())
        {
            var brought = _small.Make(Text($"brought-{i}"), OwnPaths);
            await one.PushAsync(brought);
            await other.PushAsync(brought);
        }

        var publishers = new List<Runner>();
        for (var i = 0; i < Runners; i++)
            publishers.Add((await JoinAsync(Text($"group-{i}")))[i % fleet.Count]);
        var nars = new StoredNars(fleet, _sharedByGroups);
        var before = await nars.CountReadingsAsync();
        _sharedByGroups.ForgetUploads();
        var groups = await Load.MeasureAsync(fleet, Workload.Groups, times => Load.AtOnceAsync(publishers, _groups, times));
        var readings = await nars.CountReadingsAsync() - before;
        _load.Results.Add(groups with
        {
            NotUploadedOnce = _sharedByGroups.NotUploadedOnce,
            Shared = await nars.AskAsync(fleet.ReadsUploads ? readings + _sharedByGroups.Uploads : readings),
        });

        // A publisher who is a group by itself.
        async Task<IReadOnlyList<Runner>> JoinAsync(string group)
        {
            var token = new CreateToken { Name = group, Group = group, Scopes = [TokenScope.Push] };
            return _load.Connect(fleet, (await admin.CreateTokenAsync(token, CancellationToken.None)).Secret);
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
