using System.Diagnostics;
using System.Globalization;

namespace OrleansCache.Model.Tests;

/// <summary>Schedule after schedule, until one finds something or the time is over.</summary>
/// <param name="Finding">Shrunk; null when there is none.</param>
internal sealed record Search(string Name, int First, int Schedules, TimeSpan Time, Finding? Finding)
{
    private const int MaxSchedulesForAMutant = 3_000;

    /// <summary>An invariant has found the mutant: not PostgreSQL, which cannot read its functions.</summary>
    public bool IsFound => Finding is { Violation.IsOfText: false };

    /// <summary>Of the product.</summary>
    /// <param name="gateways">Processes at one catalog.</param>
    /// <param name="workers">Databases at once.</param>
    public static async Task<Search> RunAsync(int gateways, int workers, int first, int most, TimeSpan time, IModelCluster? cluster = null)
    {
        var watch = Stopwatch.StartNew();
        var (next, done) = (first - 1, 0);
        Finding? found = null;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(workers, most)).Select(_ => Task.Run(async () =>
        {
            await using var database = await ModelDatabase.CreateAsync(gateways);
            var explorer = new Explorer(database, Mutant.None, cluster);
            while (found is null && watch.Elapsed < time && Interlocked.Increment(ref next) is var seed && seed - first < most)
            {
                if (await explorer.ExploreAsync(seed) is { } finding && Interlocked.CompareExchange(ref found, finding, null) is null)
                    found = await explorer.ShrinkAsync(finding);

                Interlocked.Increment(ref done);
            }
        })));
        return new Search("the product", first, done, watch.Elapsed, found);
    }

    /// <summary>Of a mutant: how many schedules it takes to find it.</summary>
    public static async Task<Search> HuntAsync(Mutant mutant, int first, bool shrink, int gateways = 2, IModelCluster? cluster = null)
    {
        var watch = Stopwatch.StartNew();
        await using var database = await ModelDatabase.CreateAsync(gateways, mutant.Patch);
        var explorer = new Explorer(database, mutant, cluster);
        for (var seed = first; seed < first + MaxSchedulesForAMutant; seed++)
        {
            if (await explorer.ExploreAsync(seed) is { } finding)
                return new Search(mutant.Name, first, seed - first + 1, watch.Elapsed, shrink && !finding.Violation.IsOfText
                    ? await explorer.ShrinkAsync(finding) : finding);
        }

        return new Search(mutant.Name, first, MaxSchedulesForAMutant, watch.Elapsed, null);
    }

    public override string ToString() => Name == "the product"
        ? string.Create(CultureInfo.InvariantCulture,
            $"{Finding}{Schedules} schedules in {Time.TotalSeconds:0} s ({Schedules / Time.TotalSeconds:0.0} a second), " +
                $"{(Finding is null ? "nothing found" : "one finding")}; seeds from {First}")
        : Finding is { Violation.IsOfText: true } ? $"{Name}: BROKEN, its patch is no SQL: {Finding.Violation.Message}"
        : Finding is null
            ? string.Create(CultureInfo.InvariantCulture, $"{Name}: NOT FOUND in {Schedules} schedules, {Time.TotalSeconds:0} s")
            : string.Create(CultureInfo.InvariantCulture,
                $"{Name}: found by schedule {Schedules}, after {Time.TotalSeconds:0} s, in {Finding.Decisions.Count} decisions: " +
                $"{Finding.Violation.Message}");
}
