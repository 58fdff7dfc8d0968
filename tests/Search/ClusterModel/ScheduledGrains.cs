using System.Collections.Concurrent;
using System.Globalization;
using Orleans.Runtime.Placement;
using OrleansCache.Contracts;
using OrleansCache.Core;
using OrleansCache.Grains;
using OrleansCache.Model.Tests;
using PinChange = OrleansCache.Grains.PinChange;

namespace OrleansCache.ClusterModel.Tests;

/// <summary>
/// The grains of one schedule. (1) A call that works on the catalog is a flow of its own, at the silo where its grain lives, and whoever
/// asked waits for it. (2) It begins when the grain has no other turn. (3) When its answer is lost its silo is taken for dead: who asked is
/// told so and tries again, and whoever asks for that grain gets another activation, while the old one, if it only stood still, goes on
/// when the schedule lets it. (4) Messages that nobody waits for arrive before the step ends.
/// </summary>
internal sealed class ScheduledGrains : IModelEngines
{
    private const string TurnKey = "model-turn";
    private static readonly TimeSpan SettleTime = TimeSpan.FromSeconds(30);
    private readonly ModelCluster _cluster;
    private readonly Schedule _schedule;
    private readonly string _scope;
    private readonly CoreServices?[] _services = new CoreServices?[ModelCluster.Silos];
    // By their first name: how often a grain's silo was lost.
    private readonly ConcurrentDictionary<string, int> _lost = new(StringComparer.Ordinal);
    // By the name that they have just now.
    private readonly ConcurrentDictionary<string, bool> _busy = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<long, Flow> _turns = new();
    private readonly ConcurrentDictionary<string, bool> _scopes = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private TaskCompletionSource _settled = new();
    private int _sent;
    private long _calls;

    public ScheduledGrains(ModelCluster cluster, Schedule schedule, string scope)
    {
        (_cluster, _schedule, _scope) = (cluster, schedule, scope);
        _settled.SetResult();
        cluster.Add(scope, this);
        _scopes[scope] = true;
        Engines = [.. Enumerable.Range(0, ModelCluster.Silos)
            .Select(silo => new EngineAt(cluster, this, scope, new CallClock(schedule), silo))];
    }

    public IReadOnlyList<IEngine> Engines { get; }

    public bool IsOver { get; private set; }

    /// <summary>What grains find at a silo.</summary>
    public void Serve(int silo, CoreServices services)
    {
        _services[silo] = services;
        foreach (var scope in _scopes.Keys)
            _cluster.EnginesAt(silo).Add(scope, services);
    }

    public Task SettleAsync()
    {
        lock (_lock)
            return _settled.Task.WaitAsync(SettleTime);
    }

    public void Dispose()
    {
        IsOver = true;
        foreach (var scope in _scopes.Keys)
            _cluster.Remove(scope);
    }

    /// <summary>Of the first name of a grain, that which its newest activation has.</summary>
    public string NameNow(string key) => _lost.TryGetValue(key, out var lost) ? Rename(GrainKey.Parse(key), lost) : key;

    /// <summary>A call on its way out.</summary>
    public async Task CallAsync(IOutgoingGrainCallContext call, bool oneWay)
    {
        if (oneWay)
        {
            Sent(1);
            await call.Invoke();
        }
        else if (Turns.Now is not { } caller || call.InterfaceMethod.Name == nameof(IClosureGrain.TakeAsync))
        {
            await call.Invoke();
        }
        else if (call.InterfaceMethod.Name == nameof(IClosureGrain.WaitAsync))
        {
            // As long as the schedule likes: for the first one's end, or until the patience is over.
            await Turns.ReachAsync("wait for the first of this closure");
            call.Request.SetArgument(0, TimeSpan.Zero);
            await call.Invoke();
        }
        else
        {
            await TurnAsync(call, caller);
        }
    }

    /// <summary>A call that has come to its grain.</summary>
    public async Task AnswerAsync(IIncomingGrainCallContext call, bool oneWay, int silo)
    {
        if (oneWay)
        {
            await call.Invoke();
            // Who asks next finds another activation.
            if (call.InterfaceMethod.DeclaringType == typeof(IClosureGrain))
                _ = call.TargetContext.Deactivated.ContinueWith(_ => Sent(-1), TaskScheduler.Default);
            else
                Sent(-1);
        }
        else if (RequestContext.Get(TurnKey) is long number && _turns.TryRemove(number, out var turn))
        {
            turn.Gateway = silo;
            var asked = call.Request.GetArgumentCount() > 0 ? call.Request.GetArgument(0) : null;
            if (asked is PinChange change)
            {
                // Silos go by the machine's clock, the deadline by the schedule's.
                call.Request.SetArgument(0, change with
                {
                    Deadline = change.Deadline - _schedule.Shift,
                    Operation = _schedule.Mutant.GrainsForgetOperations ? OperationId.New().Value : change.Operation,
                });
            }
            else if (asked is GcStart start)
            {
                call.Request.SetArgument(0, start with { Deadline = start.Deadline - _schedule.Shift });
            }

            await Turns.RunAsync(turn, call.Invoke);
        }
        else
        {
            await call.Invoke();
        }
    }

    private async Task TurnAsync(IOutgoingGrainCallContext call, Flow caller)
    {
        var name = call.TargetId.Key.ToString()!;
        var first = FirstName(name);
        caller.IsBlocked = () => _busy.ContainsKey(name) && NameNow(first) == name;
        await Turns.ReachAsync($"call of {call.InterfaceMethod.DeclaringType!.Name} {GrainKey.Parse(name).Rest}",
            always: _busy.ContainsKey(name));
        caller.IsBlocked = () => false;
        if (NameNow(first) != name)
            throw new SiloUnavailableException("The silo of this grain was lost.");

        _busy[name] = true;
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var turn = new Flow(caller.Turns, caller.Operation, caller.NextCall(), -1, $"turn of {call.InterfaceMethod.DeclaringType!.Name}")
        {
            IsFree = caller.IsFree,
            NextCall = caller.NextCall,
            Lose = () =>
            {
                _lost.AddOrUpdate(first, 1, (_, n) => n + 1);
                AddScope(GrainKey.Parse(NameNow(first)).Scope);
                lost.TrySetResult();
            },
        };
        _schedule.Begun(turn);
        var number = Interlocked.Increment(ref _calls);
        _turns[number] = turn;
        RequestContext.Set(TurnKey, number);
        RequestContext.Set(IPlacementDirector.PlacementHintKey,
            _cluster.AddressOf((turn.Operation + _lost.GetValueOrDefault(first)) % ModelCluster.Silos));
        var answer = call.Invoke();
        _ = answer.ContinueWith(
            _ =>
            {
                // A late end of a turn that nobody waits for.
                if (lost.Task.IsCompleted)
                    caller.Turns.Quiet();
            },
            TaskScheduler.Default);
        await caller.Turns.ParkAsync(caller, Task.WhenAny(answer, lost.Task));
        if (lost.Task.IsCompleted)
            throw new SiloUnavailableException("The silo of this grain was lost while it had this call.");
        _busy.TryRemove(name, out var unused);
        await answer;
    }

    private void Sent(int messages)
    {
        lock (_lock)
        {
            if (_sent == 0)
                _settled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _sent += messages;
            if (_sent == 0)
                _settled.TrySetResult();
        }
    }

    private void AddScope(string scope)
    {
        if (!_scopes.TryAdd(scope, true))
            return;
        _cluster.Add(scope, this);
        for (var silo = 0; silo < ModelCluster.Silos; silo++)
        {
            if (_services[silo] is { } services)
                _cluster.EnginesAt(silo).Add(scope, services);
        }
    }

    private string Rename(GrainKey key, int lost) =>
        (key with { Scope = string.Create(CultureInfo.InvariantCulture, $"{_scope}-{lost}") }).ToString();

    private string FirstName(string name) => (GrainKey.Parse(name) with { Scope = _scope }).ToString();
}
