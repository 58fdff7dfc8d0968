using System.Globalization;
using System.Text;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Model.Tests;

/// <summary>Draws schedules and does them; a finding is made smaller by leaving out what it does not need.</summary>
internal sealed class Explorer(ModelDatabase database, Mutant mutant, IModelCluster? cluster)
{
    private const int MaxReplays = 400;

    /// <summary>Does the schedule of a seed; null when nothing was found.</summary>
    public async Task<Finding?> ExploreAsync(int seed)
    {
        var generator = new Generator(seed, mutant.Profile, grains: cluster is not null);
        var decisions = new List<Decision>();
        using var schedule = await Schedule.BeginAsync(database, generator.Setting, mutant, cluster);
        try
        {
            while (generator.Next(schedule) is { } decision)
            {
                decisions.Add(decision);
                await schedule.DoAsync(decision);
            }

            await schedule.FinishAsync(toNothing: seed % 4 == 0);
            return null;
        }
        catch (Exception e) when ((e as ModelException ?? ModelException.OfText(e)) is { } violation)
        {
            return new Finding(seed, generator.Setting, decisions, violation, schedule.Trace);
        }
    }

    /// <summary>The same finding with as few decisions as can be had within some hundred replays.</summary>
    public async Task<Finding> ShrinkAsync(Finding finding)
    {
        var replays = 0;
        for (var size = Math.Max(1, finding.Decisions.Count / 2); size >= 1; size /= 2)
        {
            for (var from = finding.Decisions.Count - size; from > -size && replays < MaxReplays;)
            {
                var at = Math.Max(0, from);
                List<Decision> fewer = [.. finding.Decisions[..at], .. finding.Decisions[Math.Min(finding.Decisions.Count, at + size)..]];
                replays++;
                if (fewer.Count < finding.Decisions.Count && await ReplayAsync(finding, fewer) is { } smaller)
                    finding = smaller;
                from = Math.Min(from - size, finding.Decisions.Count - 1);
            }
        }

        return finding;
    }

    private async Task<Finding?> ReplayAsync(Finding finding, List<Decision> decisions)
    {
        using var schedule = await Schedule.BeginAsync(database, finding.Setting, mutant, cluster);
        var done = new List<Decision>();
        try
        {
            foreach (var decision in decisions)
            {
                done.Add(decision);
                if (!await schedule.DoAsync(decision))
                    done.RemoveAt(done.Count - 1);
            }

            await schedule.FinishAsync(toNothing: finding.Seed % 4 == 0);
            return null;
        }
        catch (ModelException e)
        {
            return e.Invariant == finding.Violation.Invariant
                ? finding with { Decisions = done, Violation = e, Trace = schedule.Trace } : null;
        }
    }
}

/// <summary>A schedule at whose end an invariant does not hold.</summary>
internal sealed record Finding(int Seed, Setting Setting, List<Decision> Decisions, ModelException Violation, List<string> Trace)
{
    // A seed means another schedule where all have one policy.
    private static string Policy => Profile.Policies.Count > 1 ? "" : $" --policy {OutcomeText.Of(Profile.Policies[0])}";

    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Violation.Message}");
        text.AppendLine(CultureInfo.InvariantCulture,
            $"seed {Seed}, {Setting}, {Decisions.Count} decisions; again: eng/model --seed {Seed}{Policy}");
        foreach (var line in Trace)
            text.AppendLine(line);
        return text.ToString();
    }
}
