using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;

namespace OrleansCache.Model.Tests;

/// <summary>What an operation works with: requests through the gateways, each of which may be lost.</summary>
internal sealed class Session(Schedule schedule, Operation operation, bool free)
{
    private int _calls;

    public Operation Operation { get; } = operation;

    public Universe Universe => schedule.Universe;

    public Promises Promises => schedule.Promises;

    public Truths Truths => schedule.Truths;

    public Holds Holds => schedule.Holds;

    public ModelUpstream? Upstream => schedule.Upstream;

    /// <summary>By the one clock.</summary>
    public DateTimeOffset Now => schedule.Now;

    public ModelStore Store => schedule.Store;

    public VerifyPolicy Policy => schedule.Policy;

    public Mutant Mutant => schedule.Mutant;

    public void Check(bool holds, string invariant, string message) => schedule.Check(holds, invariant, message);

    /// <summary>
    /// Asks, again at the next gateway when the connection was lost; null when that was so each time, or when the answer was a refusal.
    /// </summary>
    public async Task<T?> TryAsync<T>(string what, int tries, Func<Gateway, Task<T>> request)
    {
        for (var i = 0; i < tries; i++)
        {
            try
            {
                return await AskAsync(what, request);
            }
            catch (CacheProblemException e) when (e.Kind != ProblemKind.Unavailable)
            {
                return default;
            }
            catch (Exception e) when (e is ConnectionLostException or ObjectStoreException or CacheProblemException)
            {
                // Once more.
            }
        }

        return default;
    }

    private Task<T> AskAsync<T>(string what, Func<Gateway, Task<T>> request)
    {
        var gateway = schedule.Gateways[(Operation.Id + _calls) % schedule.Gateways.Count];
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var flow = new Flow(schedule.Turns, Operation.Id, _calls++, gateway.Number, what)
        {
            IsFree = free,
            Lose = () =>
            answer.TrySetException(new ConnectionLostException()),
            NextCall = () => _calls++
        };
        schedule.Begun(flow);
        _ = Turns.RunAsync(flow, async () =>
        {
            bool heard;
            try
            {
                heard = answer.TrySetResult(await request(gateway));
            }
            catch (Exception e)
            {
                schedule.FailedOnText(e);
                heard = answer.TrySetException(e);
                if (!heard)
                    schedule.Failed(e);
            }

            // Somebody else's turn, when nobody listens.
            if (!heard)
                schedule.Turns.Quiet();
        });
        return answer.Task;
    }
}
