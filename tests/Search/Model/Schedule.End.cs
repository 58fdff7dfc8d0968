using OrleansCache.Contracts;
using OrleansCache.Core.Common;

namespace OrleansCache.Model.Tests;

/// <summary>How a schedule ends.</summary>
internal sealed partial class Schedule
{
    private const int MaxRounds = 600;
    private const int RoundsBetweenRests = 30;
    private const int LastOperations = 1000;
    private const int LastPush = 900;
    private static readonly TimeSpan PastLease = TimeSpan.FromMinutes(6);

    /// <summary>Lets everything end that can, and the background work do what it has to; then nothing may be left over.</summary>
    public async Task FinishAsync(bool toNothing)
    {
        Trace.Add("end");
        await EndAllAsync(reads: _setting.Reads);
        while (Store.Late.Count > 0)
            Store.Land(Store.Late[0]);
        await LookAsync(i => i.CheckStep());
        await RestAsync(Hours);
        await RestAsync(TimeSpan.FromDays(3));
        await LookAsync(i => i.CheckRest());
        if (_setting.Policy != VerifyPolicy.Off && !_evicts)
            await PushAllAsync();
        if (!toNothing)
            return;

        PinChanges++;
        try
        {
            await Gateways[0].Pins.DeleteAsync(CacheName.Default, PinOperation.Name, PinCondition.None, OperationId.New(),
                TimeSpan.FromDays(1), CancellationToken.None);
        }
        catch (CacheProblemException)
        {
            // There is none.
        }

        // What was superseded is kept for 30 days.
        await RestAsync(TimeSpan.FromDays(31));
        // The first one ends a run that was left, as that one was asked for.
        for (var id = LastOperations; id < LastOperations + 2; id++)
            await DoAsync(new StartDecision(new CollectOperation(id, Retention: false, GraceSeconds: 0, Batch: 1000), AtOnce: true));
        await RestAsync(TimeSpan.FromDays(3));
        await LookAsync(i => i.CheckEmpty());
    }

    // Whatever liars have left, an honest closure comes in.
    private async Task PushAllAsync()
    {
        var push = new PushOperation(LastPush, Universe.Paths[^1], 0, null, PushEnd.Commit, Renews: false, Replays: false)
        {
            By = HasLies ? Party.Dora : Party.Anyone,
            MustCommit = true
        };
        await DoAsync(new StartDecision(push, AtOnce: true));
        await EndAllAsync(reads: true);
        await RestAsync(Hours);
        await LookAsync(i => i.CheckRest());
    }

    // A commit may need a reading. Nothing else does, so none comes for long.
    private async Task EndAllAsync(bool reads)
    {
        for (var round = 1; Turns.Waiting is { Count: > 0 } waiting; round++)
        {
            if (round > MaxRounds)
                throw new ModelException("I8", $"{waiting[0]} does not end: {waiting[0].What}");
            // Some wait for what a dead process has left.
            if (round % RoundsBetweenRests == 0)
                await RestAsync(PastLease, reads || round > MaxRounds / 2 ? [] : [Chore.Scrub, Chore.Verifications]);
            // Another one's step may have closed a gate.
            foreach (var flow in waiting.Where(f => !f.IsBlocked()))
            {
                Trace.Add($"  step {flow}: {flow.What}");
                var changes = Changes(flow);
                await Turns.OpenAsync(flow, Fault.None);
                if (changes)
                    await LookAsync(i => i.CheckStep());
            }
        }
    }

    private async Task RestAsync(TimeSpan time, IReadOnlyList<Chore>? without = null)
    {
        await JumpAsync(time);
        foreach (var chore in Enum.GetValues<Chore>().Except(without ?? []))
        {
            // What has just been committed may be withdrawn at once.
            if (chore == Chore.Verifications && Policy != VerifyPolicy.Off)
                await LookAsync(i => i.CheckStep());
            await ChoreOperation.RunAsync(Gateways[^1], chore);
        }

        await LookAsync(i => i.CheckStep());
    }
}
