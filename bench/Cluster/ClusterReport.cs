using System.Globalization;
using System.Text.Json.Nodes;

namespace OrleansCache.Bench.Cluster;

internal enum Workload
{
    Warm,
    Cold,
    Singles,
    Beside,
    OneRunner,
    Runners,
    OneWhole,
    OwnOnly,
    Overlap,
    Groups,
}

/// <summary>One workload on one fleet.</summary>
/// <param name="Wall">Seconds, from the first push's begin to the last one's commit.</param>
/// <param name="Milliseconds">Of each push.</param>
/// <param name="Usage">During <paramref name="Wall"/>.</param>
internal sealed record Measured(string Fleet, bool IsSilos, bool IsTheirs, int Members, Workload Workload, double Wall,
    IReadOnlyList<double> Milliseconds, Usage Usage)
{
    public int Pushes => Milliseconds.Count;

    /// <summary>Processor seconds a second that the members use without pushes; of <see cref="Workload.Singles"/>.</summary>
    public double IdleMembers { get; init; }

    /// <summary>The same of PostgreSQL.</summary>
    public double IdlePostgres { get; init; }

    /// <summary>
    /// Processor seconds that a push costs the members beyond what they would have used anyway; of <see cref="Workload.Singles"/>.
    /// </summary>
    public double OwnMembers => (Usage.Members - IdleMembers * Wall) / Pushes;

    /// <summary>The same of PostgreSQL.</summary>
    public double OwnPostgres => (Usage.Postgres - IdlePostgres * Wall) / Pushes;

    /// <summary>Of what all runners push: NARs that nobody has uploaded, or more than one.</summary>
    public int? NotUploadedOnce { get; init; }

    /// <summary>Of <see cref="Workload.Groups"/>: what has become of the NARs that all push.</summary>
    public SharedNars? Shared { get; init; }
}

/// <summary>What <c>eng/bench cluster</c> has found: as a table, as JSON, and against the targets.</summary>
internal sealed partial record ClusterReport(string Store, ClosureSet Set, int Runners, int Retries, IReadOnlyList<Measured> Results,
    IReadOnlyList<NewsTimes> News, IReadOnlyList<LossTimes> Losses, int LargePaths)
{
    private const double RunnersRatio = 1.5, GrainPercent = 15, LearnMs = 100, PassOnMs = 1_000, GoOnMs = 3_000;
    private static readonly int[] Widths = [8, 10, 10, 24, 7, 7, 13, 9, 8];

    public IEnumerable<Target> Targets()
    {
        foreach (var runners in Results.Where(r => r.IsSilos && !r.IsTheirs && r.Workload == Workload.Runners))
        {
            yield return new Target($"{runners.Fleet}: {Runners} runners with one new {Set.Name} against one alone",
                runners.Wall / Alone(runners), RunnersRatio, "×");
            yield return new Target($"{runners.Fleet}: NARs that {Runners} runners did not upload once",
                runners.NotUploadedOnce ?? 0, 0, "");
        }

        foreach (var singles in Results.Where(r => r.IsSilos && !r.IsTheirs && r.Workload == Workload.Singles))
            yield return new Target($"{singles.Fleet}: grain calls' share of a push's CPU", GrainShare(singles), GrainPercent, "%");

        foreach (var news in News.Where(n => n.IsSilos && !n.IsTheirs))
        {
            yield return new Target($"{news.Fleet}: p99 until who waits learns of an upload", Stats.Percentile(news.Learned, 99),
                LearnMs, "ms");
            yield return new Target($"{news.Fleet}: p99 until who waits gets the claim of an aborted push",
                Stats.Percentile(news.PassedOn, 99), PassOnMs, "ms");
        }

        foreach (var loss in Losses)
            yield return new Target($"{loss.Fleet}: until who waits goes on, when the silo that knew of {loss.Paths} uploads was killed",
                loss.GoesOn, GoOnMs, "ms");

        foreach (var target in OverlapTargets())
            yield return target;
    }

    public void Print(TextWriter to)
    {
        to.WriteLine($"Store: {Store}, {Environment.ProcessorCount} processors, which the load shares; {Retries} requests sent again.");
        foreach (var workload in Results.Select(r => r.Workload).Distinct().Order())
        {
            to.WriteLine();
            to.WriteLine(
                $"{Describe(workload),-46}  pushes     /s     p50 ms    p99 ms   CPU ms a push: members   PG  (load)   statements   rows   WAL kB");
            foreach (var r in Results.Where(r => r.Workload == workload))
            {
                Row(to, r.Fleet, $"{r.Pushes}", "F1", Cells(r));
                if (!r.IsTheirs && Find(r.Fleet + Fleet.TheirSuffix, workload) is { } theirs)
                    Row(to, "  times theirs", "", "F2", [.. Cells(r).Zip(Cells(theirs), (our, their) => our / their)]);
            }
        }

        to.WriteLine();
        foreach (var r in Results.Where(r => r.Workload == Workload.Singles))
            to.WriteLine(
                Text($"{r.Fleet}: idle {r.IdleMembers * 1000:F1} + {r.IdlePostgres * 1000:F1} ms of CPU a second (members + PostgreSQL); a push beyond that {r.OwnMembers * 1000:F1} + {r.OwnPostgres * 1000:F1} ms"));
        to.WriteLine();
        foreach (var r in Results.Where(r => r.Workload == Workload.OneRunner))
            to.WriteLine(Text($"{r.Fleet}: {Runners} runners take {Of(r, Workload.Runners).Wall / Alone(r):F2} times as long as one"));
        foreach (var r in Results.Where(r => r.Workload == Workload.Beside))
            to.WriteLine(
                Text($"{r.Fleet}: beside a push of {LargePaths} paths, which took {r.Wall:F1} s, small ones have {Ratio(r, 50):F2} times their p50 and {Ratio(r, 99):F2} times their p99"));
        foreach (var n in News)
            to.WriteLine(
                Text($"{n.Fleet}: an upload is learned of after {Stats.Percentile(n.Learned, 50):F1} ms (p50), {Stats.Percentile(n.Learned, 99):F1} ms (p99); the claim of an aborted push is passed on after {Stats.Percentile(n.PassedOn, 50):F1} ms, {Stats.Percentile(n.PassedOn, 99):F1} ms"));
        foreach (var loss in Losses)
            to.WriteLine(Text(
                $"{loss.Fleet}: when the silo was killed that knew of {loss.Paths} uploads, who waited for them had them {loss.GoesOn:F0} ms after their commit"));
        foreach (var line in OverlapLines())
            to.WriteLine(line);
        to.WriteLine();
        foreach (var target in Targets())
            to.WriteLine(target);
    }

    public JsonObject ToJson() => new()
    {
        ["store"] = Store,
        ["processors"] = Environment.ProcessorCount,
        ["set"] = Set.Name,
        ["runners"] = Runners,
        ["retries"] = Retries,
        ["results"] = new JsonArray([.. Results.Select(r => new JsonObject
        {
            ["members"] = r.Members,
            ["silos"] = r.IsSilos,
            ["theirs"] = r.IsTheirs,
            ["workload"] = r.Workload.ToString(),
            ["pushes"] = r.Pushes,
            ["seconds"] = Round(r.Wall),
            ["p50Ms"] = Round(Stats.Percentile(r.Milliseconds, 50)),
            ["p99Ms"] = Round(Stats.Percentile(r.Milliseconds, 99)),
            ["membersCpu"] = Round(r.Usage.Members),
            ["postgresCpu"] = Round(r.Usage.Postgres),
            ["loadCpu"] = Round(r.Usage.Load),
            ["idleMembersCpuPerSecond"] = r.Workload == Workload.Singles ? Round(r.IdleMembers) : null,
            ["idlePostgresCpuPerSecond"] = r.Workload == Workload.Singles ? Round(r.IdlePostgres) : null,
            ["statements"] = r.Usage.Statements,
            ["rows"] = r.Usage.Rows,
            ["walBytes"] = r.Usage.WalBytes,
            ["notUploadedOnce"] = r.NotUploadedOnce,
            ["sharedNars"] = r.Shared?.Count,
            ["sharedNotStoredOnce"] = r.Shared?.NotStoredOnce,
            ["sharedObjectsLive"] = r.Shared?.Live,
            ["sharedObjectsNotLive"] = r.Shared?.NotLive,
            ["sharedReadings"] = r.Shared?.Readings,
        })]),
        ["news"] = new JsonArray([.. News.Select(n => new JsonObject
        {
            ["fleet"] = n.Fleet,
            ["learnedP50Ms"] = Round(Stats.Percentile(n.Learned, 50)),
            ["learnedP99Ms"] = Round(Stats.Percentile(n.Learned, 99)),
            ["passedOnP50Ms"] = Round(Stats.Percentile(n.PassedOn, 50)),
            ["passedOnP99Ms"] = Round(Stats.Percentile(n.PassedOn, 99)),
        })]),
        ["losses"] = new JsonArray([.. Losses.Select(l => new JsonObject
        {
            ["fleet"] = l.Fleet,
            ["paths"] = l.Paths,
            ["goesOnMs"] = Round(l.GoesOn),
        })]),
        ["targets"] = new JsonArray([.. Targets().Select(t => t.ToJson())]),
    };

    private static double[] Cells(Measured r) =>
    [
        r.Pushes / r.Wall, Stats.Percentile(r.Milliseconds, 50), Stats.Percentile(r.Milliseconds, 99), .. new[]
        {
            r.Usage.Members * 1000, r.Usage.Postgres * 1000, r.Usage.Load * 1000, r.Usage.Statements, r.Usage.Rows,
                r.Usage.WalBytes / 1000.0,
        }.Select(all => all / r.Pushes),
    ];

    private static void Row(TextWriter to, string name, string pushes, string format, double[] cells) =>
        to.WriteLine(
            $"  {name,-44}{pushes,8}{string.Concat(cells.Zip(Widths, (cell, width) => cell.ToString(format, CultureInfo.InvariantCulture).PadLeft(width)))}");

    /// <summary>
    /// Of a push to silos, PostgreSQL included, in percent: what it costs them more than one costs as many gateways. The statements are the
    /// same.
    /// </summary>
    private double GrainShare(Measured silos)
    {
        var gateways = Results.First(r => !r.IsSilos && r.IsTheirs == silos.IsTheirs && r.Members == silos.Members
            && r.Workload == Workload.Singles);
        return (silos.OwnMembers - gateways.OwnMembers) / (silos.OwnMembers + silos.OwnPostgres) * 100;
    }

    private double Alone(Measured fleet) => Stats.Median(Of(fleet, Workload.OneRunner).Milliseconds) / 1000;

    private double Ratio(Measured beside, double percent) =>
        Stats.Percentile(beside.Milliseconds, percent) / Stats.Percentile(Of(beside, Workload.Cold).Milliseconds, percent);

    private Measured Of(Measured other, Workload workload) => Find(other.Fleet, workload)!;

    private Measured? Find(string fleet, Workload workload) => Results.FirstOrDefault(r => r.Fleet == fleet && r.Workload == workload);

    private string Describe(Workload workload) => workload switch
    {
        Workload.Warm => "known closure of 2,000 paths, 4 clients",
        Workload.Cold => "new closures of 4 paths, 16 clients",
        Workload.Singles => "new closures of 4 paths, one at a time",
        Workload.Beside => $"the same, 16 clients, beside one of {LargePaths}",
        Workload.OneRunner => $"one new {Set.Name}, one runner, thrice",
        Workload.Runners => $"one new {Set.Name}, {Runners} runners",
        _ => DescribeOverlap(workload),
    };

    private static double Round(double value) => Math.Round(value, 3);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
