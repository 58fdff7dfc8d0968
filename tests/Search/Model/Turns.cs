using Npgsql;

namespace OrleansCache.Model.Tests;

/// <summary>
/// One step at a time. Every statement and every store call of a request waits at a gate; opening one lets that request go on to its next
/// gate, or to its end, and then all is quiet again. So the order of the steps is the schedule, and nothing else is.
/// </summary>
/// <remarks>
/// A request may go on in tasks of its own (a publisher); they carry its identity. It must not go on in two places at once: limits of
/// parallel work are 1 here, heartbeats keep to real time, and its pauses are gates (<see cref="ModelClock"/>).
/// </remarks>
internal sealed class Turns
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly AsyncLocal<Flow?> Current = new();
    private readonly Lock _lock = new();
    private readonly List<Flow> _waiting = [];
    private readonly List<Flow> _parked = [];
    private TaskCompletionSource _quiet = new();

    /// <summary>Requests at a gate, in the order in which they were begun.</summary>
    public IReadOnlyList<Flow> Waiting
    {
        get
        {
            lock (_lock)
                return [.. _waiting.Where(f => !f.IsDead && !f.IsBlocked()).OrderBy(f => f.Operation).ThenBy(f => f.Call)];
        }
    }

    /// <summary>What goes on without a gate and is not a flow's own: every step ends with it.</summary>
    public Func<Task> Settle { get; set; } = () => Task.CompletedTask;

    /// <summary>What a process has under way that is not dead yet: first those that wait for an answer of another process.</summary>
    public IReadOnlyList<Flow> At(int gateway)
    {
        lock (_lock)
            return [.. _parked.Concat(_waiting).Where(f => f.Gateway == gateway && !f.IsDead).OrderBy(f => _waiting.Contains(f))
                .ThenBy(f => f.Operation).ThenBy(f => f.Call)];
    }

    public const string Pause = "pause";

    /// <summary>Who goes on just here; null outside a schedule.</summary>
    public static Flow? Now => Current.Value;

    /// <summary>
    /// Reaches a gate: goes on when the schedule says so. At once outside a schedule; one that runs freely is held up by pauses only.
    /// </summary>
    /// <param name="always">Those that run freely, too.</param>
    public static Task ReachAsync(string what, bool always = false) =>
        Current.Value is { } flow && (always || what == Pause || !flow.IsFree) ? flow.Turns.WaitAsync(flow, what) : Task.CompletedTask;

    /// <summary>What happens to the store call that is just being made.</summary>
    public static Fault TakeFault()
    {
        if (Current.Value is not { } flow)
            return Fault.None;
        var fault = flow.Fault;
        flow.Fault = Fault.None;
        return fault;
    }

    /// <summary>Somebody waits for the answer that is just being given.</summary>
    public static bool IsHeard => Current.Value is not { IsLost: true };

    /// <summary>Who makes the call; empty outside a schedule.</summary>
    public static string Caller => Current.Value?.ToString() ?? "";

    /// <summary>Everything that this flow does carries its identity.</summary>
    public static async Task RunAsync(Flow flow, Func<Task> request)
    {
        Current.Value = flow;
        await Task.Yield();
        await request();
    }

    /// <summary>Does something that makes a request or an operation go on, and returns when all is quiet.</summary>
    public async Task UntilQuietAsync(Action start)
    {
        _quiet = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        start();
        try
        {
            await _quiet.Task.WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            throw new ModelException("stuck", "A step did not come to its end: a request waits for something that is no gate.");
        }

        await Settle();
    }

    public Task OpenAsync(Flow flow, Fault fault)
    {
        TaskCompletionSource gate;
        lock (_lock)
        {
            gate = flow.Gate!;
            flow.Gate = null;
            _waiting.Remove(flow);
        }

        flow.Fault = fault;
        return UntilQuietAsync(gate.SetResult);
    }

    /// <summary>
    /// Waits for another flow, or until nobody waits for that any longer. One whose process is killed meanwhile never returns.
    /// </summary>
    public async Task ParkAsync(Flow flow, Task until)
    {
        lock (_lock)
            _parked.Add(flow);
        await until.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
            _parked.Remove(flow);
        if (!flow.IsDead)
            return;
        Quiet();
        await new TaskCompletionSource().Task;
    }

    /// <summary>Nobody goes on any more by itself.</summary>
    public void Quiet() => _quiet.TrySetResult();

    private Task WaitAsync(Flow flow, string what)
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (flow.Gate is not null)
                throw new ModelException("stuck", $"{flow} goes on in two places at once: '{flow.What}' and '{what}'.");
            (flow.Gate, flow.What) = (gate, what);
            _waiting.Add(flow);
        }

        // Whoever began it goes on, and ends the step.
        if (!flow.Begins())
            Quiet();
        return gate.Task;
    }
}

/// <summary>One request of an operation, in one process.</summary>
internal sealed class Flow(Turns turns, int operation, int call, int gateway, string name)
{
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Turns Turns { get; } = turns;

    public int Operation { get; } = operation;

    public int Call { get; } = call;

    public int Gateway { get; set; } = gateway;

    public string Name { get; } = name;

    /// <summary>What it does when its gate opens.</summary>
    public string What { get; set; } = "";

    public TaskCompletionSource? Gate { get; set; }

    public Fault Fault { get; set; }

    /// <summary>Runs through without gates, but for pauses.</summary>
    public bool IsFree { get; set; }

    /// <summary>Its process was killed.</summary>
    public bool IsDead { get; set; }

    /// <summary>Nobody waits for its answer any more.</summary>
    public bool IsLost { get; set; }

    /// <summary>Tells the client that its connection broke.</summary>
    public required Action Lose { get; init; }

    /// <summary>Of the operation's next request.</summary>
    public required Func<int> NextCall { get; init; }

    /// <summary>At a gate that does not open yet.</summary>
    public Func<bool> IsBlocked { get; set; } = () => false;

    /// <summary>Work that goes on behind whoever began it, who does not wait for it.</summary>
    public bool IsBehind { get; init; }

    /// <summary>Ends when work behind has come to its first gate, or to its end without one.</summary>
    public Task Begun => _begun.Task;

    public bool Begins() => IsBehind && _begun.TrySetResult();

    public override string ToString() => $"{Operation}.{Call}";
}

/// <summary>A model's invariant does not hold.</summary>
internal sealed class ModelException(string invariant, string message) : Exception($"{invariant}: {message}")
{
    private const string Sql = "SQL";

    public string Invariant { get; } = invariant;

    /// <summary>The catalog's functions are no SQL: a mutant's patch is broken, and nothing was found.</summary>
    public bool IsOfText => Invariant == Sql;

    /// <summary>Null: the error, or the one behind it, is not that PostgreSQL cannot read a function (class 42).</summary>
    public static ModelException? OfText(Exception e)
    {
        for (Exception? at = e; at is not null; at = at.InnerException)
        {
            if (at is PostgresException answer && answer.SqlState.StartsWith("42", StringComparison.Ordinal))
                return new ModelException(Sql, $"{answer.SqlState} {answer.MessageText} {answer.Where}");
        }

        return null;
    }
}

/// <summary>What the store does with a call.</summary>
internal enum Fault
{
    None,

    /// <summary>Answers that it did nothing (503 to every attempt, or the fence has passed).</summary>
    Refuse,

    /// <summary>Refuses in a way that no retry mends.</summary>
    Deny,

    /// <summary>Does it; the answer is lost.</summary>
    LoseAnswer,

    /// <summary>Does nothing; nobody knows.</summary>
    Drop,

    /// <summary>Is still at it when the client gives up: it takes effect later, before the fence, or never.</summary>
    Delay,
}
