using OrleansCache.Core.Collect;
using OrleansCache.Core.Collect.Sweep;

namespace OrleansCache.Model.Tests;

/// <summary>A reading of the protocol that loses data, put back on purpose; or none.</summary>
internal sealed record Mutant(string Name)
{
    public static Mutant None { get; } = new("none");

    /// <summary>Of the catalog's functions.</summary>
    public Func<string, string>? Patch { get; init; }

    public bool IgnoresFences { get; init; }

    public bool AnswersOfRetriesCount { get; init; }

    public bool CondemnsReferencesFirst { get; init; }

    public bool MarksBeforeTheBarrier { get; init; }

    public bool SweepsReferencesFirst { get; init; }

    public bool SweepsObjectsAtOnce { get; init; }

    /// <summary>Of a cluster: a grain changes a pin under an operation of its own.</summary>
    public bool GrainsForgetOperations { get; init; }

    /// <summary>Found within seconds.</summary>
    public bool IsQuick { get; init; }

    /// <summary>Where such schedules are likely.</summary>
    public Profile? Profile { get; init; }

    /// <summary>A run of the collector, as the product or as the mutant does it.</summary>
    public async Task CollectAsync(Gateway gateway, GcRow row, string owner, int batch, GcProgress progress)
    {
        var runner = gateway.Collector(batch);
        var cancellationToken = CancellationToken.None;
        if (this is
            {
                CondemnsReferencesFirst: false, MarksBeforeTheBarrier: false, SweepsReferencesFirst: false,
                SweepsObjectsAtOnce: false
            })
        {
            await runner.RunAsync(row, owner, progress, cancellationToken);
            return;
        }

        var older = TimeSpan.FromSeconds(row.Run.OlderThanSeconds);
        var grace = TimeSpan.FromSeconds(row.Run.GraceSeconds);
        var early = MarksBeforeTheBarrier ? await runner.MarkAsync(row.Cache, older, progress, cancellationToken) : null;
        var g = await gateway.GcCatalog.BarrierAsync(row.Cache, row.Run.Id, owner, cancellationToken);
        var garbage = early ?? await runner.MarkAsync(row.Cache, older, progress, cancellationToken);
        if (CondemnsReferencesFirst)
            garbage.Paths.Reverse();
        await runner.CondemnAsync(row.Cache, g, older, garbage, progress, cancellationToken);
        if (!SweepsReferencesFirst && !SweepsObjectsAtOnce)
        {
            await runner.SweepAsync(row.Cache, g, grace, progress, cancellationToken);
            return;
        }

        var due = SweepList.Of(await gateway.GcCatalog.CondemnedAsync(row.Cache, g, grace, cancellationToken));
        foreach (var path in SweepsReferencesFirst ? Enumerable.Reverse(due.Paths) : due.Paths)
            await gateway.GcCatalog.SweepPathsAsync(row.Cache, g, [path], cancellationToken);
        foreach (var item in due.Objects)
            await gateway.GcCatalog.SweepObjectsAsync(row.Cache, g, [item], null, TimeSpan.Zero, cancellationToken);
        await gateway.Deletions.RunAsync(row.Cache, cancellationToken);
    }
}
