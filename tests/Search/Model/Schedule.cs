using System.Runtime.ExceptionServices;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Core.Store;

namespace OrleansCache.Model.Tests;

/// <summary>One schedule on an empty catalog: does decision after decision, and looks at everything after each.</summary>
internal sealed partial class Schedule : IDisposable
{
    private static readonly TimeSpan PastFence = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Hours = TimeSpan.FromHours(2);
    private readonly ModelDatabase _database;
    private readonly Setting _setting;
    private readonly ModelClock _clock = new();
    private Exception? _failure;
    private int _running;
    private bool _evicts;
    private IModelEngines? _engines;

    private Schedule(ModelDatabase database, Setting setting, Mutant mutant)
    {
        (_database, _setting, Mutant) = (database, setting, mutant);
        Truths = new Truths(setting.Policy);
        Upstream = setting.Upstream is { } names ? new ModelUpstream(setting.Universe, names) : null;
        Store = new ModelStore(_clock) { IgnoresFences = mutant.IgnoresFences, AnswersOfRetriesCount = mutant.AnswersOfRetriesCount };
    }

    public Turns Turns { get; } = new();

    public Promises Promises { get; } = new();

    public Truths Truths { get; }

    public Holds Holds { get; } = new();

    public Withdrawn Withdrawn { get; } = new();

    /// <summary>Of the cache; null: it has none.</summary>
    public ModelUpstream? Upstream { get; }

    /// <summary>Mallory takes part: what others have not declared may be lies.</summary>
    public bool HasLies { get; private set; }

    /// <summary>Narinfos whose signature was found right.</summary>
    public HashSet<string> Signed { get; } = [];

    public DateTimeOffset Now => _clock.GetUtcNow();

    /// <summary>How far it is ahead of the machine's clock.</summary>
    public TimeSpan Shift => _clock.Shift;

    /// <summary>Changes of pins that were asked for, and may have been done once each.</summary>
    public int PinChanges { get; private set; }

    public Universe Universe => _setting.Universe;

    /// <summary>Runs of the collector keep closures for <see cref="Model.Tests.Policy.Retention"/>.</summary>
    public bool Retains => _setting.Retains;

    public VerifyPolicy Policy => _setting.Policy;

    public Mutant Mutant { get; }

    public ModelStore Store { get; }

    public IReadOnlyList<Gateway> Gateways { get; private set; } = [];

    /// <summary>Operations that have not ended.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>What was done, for people.</summary>
    public List<string> Trace { get; } = [];

    public static async Task<Schedule> BeginAsync(ModelDatabase database, Setting setting, Mutant mutant, IModelCluster? cluster = null)
    {
        var schedule = new Schedule(database, setting, mutant);
        await database.ClearAsync(setting.Policy);
        if ((schedule._engines = cluster?.Begin(schedule)) is { } engines)
            schedule.Turns.Settle = engines.SettleAsync;
        var gateways = new List<Gateway>();
        foreach (var catalog in database.Catalogs)
            gateways.Add(new Gateway(gateways.Count, catalog, await CacheDirectory.LoadAsync(catalog, CancellationToken.None),
                schedule.Store, schedule._clock, schedule._engines?.Engines[gateways.Count])
            { Policy = setting.Policy, Upstream = schedule.Upstream });
        gateways.ForEach(g => g.Join());
        schedule.Gateways = gateways;
        return schedule;
    }

    public void Dispose() => _engines?.Dispose();

    public void Check(bool holds, string invariant, string message)
    {
        if (!holds)
            Interlocked.CompareExchange(ref _failure, new ModelException(invariant, message), null);
    }

    /// <summary>A request failed, and nobody hears of it. An error that no client should see is a finding.</summary>
    public void Failed(Exception e)
    {
        FailedOnText(e);
        if (e is not (CacheProblemException or ObjectStoreException or ConnectionLostException))
            Interlocked.CompareExchange(ref _failure, e, null);
    }

    /// <summary>A request failed. Whoever made it may take some errors for an outage that are none.</summary>
    public void FailedOnText(Exception e)
    {
        if (ModelException.OfText(e) is { } broken)
            Interlocked.Exchange(ref _failure, broken);
    }

    public void Begun(Flow flow) => Trace.Add($"    {flow} {flow.Name}");

    /// <summary>Does it and looks. False when it fits no more.</summary>
    /// <exception cref="ModelException">An invariant does not hold.</exception>
    public async Task<bool> DoAsync(Decision decision)
    {
        var flow = decision switch
        {
            StepDecision step => Find(step.Operation, step.Call),
            LoseDecision lose => Find(lose.Operation, lose.Call),
            _ => null,
        };
        switch (decision)
        {
            case StartDecision start:
                Trace.Add($"{decision}");
                await Turns.UntilQuietAsync(() => _ = RunAsync(start));
                break;
            case StepDecision step when flow is not null:
                Trace.Add($"{decision}: {flow.What}");
                var changes = Changes(flow);
                await Turns.OpenAsync(flow, step.Fault);
                if (!changes)
                {
                    ThrowIfFailed();
                    return true;
                }

                break;
            case LoseDecision lose when flow is { IsLost: false }:
                Trace.Add($"{decision} before {flow.What}");
                await LoseAsync(flow, lose.Dead);
                break;
            case CrashDecision crash when Turns.Waiting.Any(f => f.Gateway == crash.Gateway):
                Trace.Add($"{decision}");
                foreach (var lost in Turns.At(crash.Gateway))
                    await LoseAsync(lost, dead: true);
                break;
            case JumpDecision jump:
                Trace.Add($"{decision}");
                await JumpAsync(jump.Time);
                break;
            case LandDecision land when Store.Late.Find(l => l.Name == land.Effect) is { } effect:
                Trace.Add($"{decision}: {effect.What}");
                Store.Land(effect);
                break;
            default:
                return false;
        }

        await LookAsync(i => i.CheckStep());
        return true;
    }

    // What only reads needs no look afterwards.
    private static bool Changes(Flow flow) => flow.IsFree
        || flow.What is not (Turns.Pause or "snapshot" or "publish_list" or "publish_changed" or "gc_condemned" or "delete_list"
            or "verifications_left")
        && !flow.What.StartsWith("HEAD", StringComparison.Ordinal) && !flow.What.StartsWith("GET", StringComparison.Ordinal)
            && !flow.What.StartsWith("LIST", StringComparison.Ordinal)
            && !flow.What.StartsWith("select", StringComparison.Ordinal);

    // A gateway that stands still for more than a day between its claim of a key and its own call to the store is taken for dead: by then
    // the key may be nobody's.
    private static bool IsUpload(Flow flow) => flow.What.StartsWith("POST", StringComparison.Ordinal)
        || flow.What.StartsWith("PUT new", StringComparison.Ordinal);

    private Flow? Find(int operation, int call) => Turns.Waiting.FirstOrDefault(f => f.Operation == operation && f.Call == call);

    private async Task LoseAsync(Flow flow, bool dead)
    {
        var known = flow.IsLost;
        flow.IsLost = true;
        flow.IsDead |= dead;
        if (!known)
            await Turns.UntilQuietAsync(flow.Lose);
    }

    private async Task JumpAsync(TimeSpan time)
    {
        // No client waits for days, and they do not pass without the hourly look for multipart uploads that nobody noted.
        if (time > Hours)
        {
            while (Turns.Waiting.FirstOrDefault(f => !f.IsLost || IsUpload(f)) is { } flow)
                await LoseAsync(flow, dead: IsUpload(flow));
            await JumpAsync(Hours);
            await ChoreOperation.RunAsync(Gateways[0], Chore.Multiparts);
        }

        _clock.Shift += time;
        await _database.SetClockAsync(_clock.Shift);
    }

    private async Task LookAsync(Action<Invariants> check)
    {
        ThrowIfFailed();
        check(new Invariants(this, await _database.ReadAsync()));
        ThrowIfFailed();
    }

    private void ThrowIfFailed()
    {
        if (_failure is ModelException)
            ExceptionDispatchInfo.Throw(_failure);
        if (_failure is not null)
            throw new ModelException("error", _failure.ToString());
    }

    private async Task RunAsync(StartDecision start)
    {
        Interlocked.Increment(ref _running);
        HasLies |= !start.Operation.By.IsHonest();
        _evicts |= start.Operation is EvictOperation;
        PinChanges += start.Operation switch
        {
            // It ends by itself, too.
            PinOperation { Change: PinChange.SetForAnHour } => 2,
            PinOperation or PushOperation { Pin: not null } => 1,
            _ => 0,
        };
        await Task.Yield();
        try
        {
            await start.Operation.RunAsync(new Session(this, start.Operation, start.AtOnce));
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, e, null);
        }

        Interlocked.Decrement(ref _running);
        Turns.Quiet();
    }
}
