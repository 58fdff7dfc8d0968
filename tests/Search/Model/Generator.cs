using OrleansCache.Core.Common;

namespace OrleansCache.Model.Tests;

/// <summary>How often a schedule does what. Each random schedule leans another way: rare things meet more often so.</summary>
internal sealed record Profile
{
    public int Decisions { get; init; } = 60;

    public int Operations { get; init; } = 7;

    /// <summary>Operations under way at once.</summary>
    public int AtOnce { get; init; } = 4;

    public double Push { get; init; } = 5;

    /// <summary>As niks3's clients do it.</summary>
    public double Niks3 { get; init; }

    /// <summary>As stock Nix does it.</summary>
    public double Nix { get; init; }

    /// <summary>By Mallory.</summary>
    public double Hostile { get; init; }

    /// <summary>What Mallory lies about.</summary>
    public IReadOnlyList<LieKind> Lies { get; init; } = [LieKind.Name, LieKind.Size, LieKind.References,
        LieKind.MoreReferences, LieKind.Nar, LieKind.Ca, LieKind.Noise, LieKind.Noise, LieKind.None];

    public double Collect { get; init; } = 3;

    public double Work { get; init; } = 1.5;

    public double Pin { get; init; } = 1.5;

    /// <summary>By an admin.</summary>
    public double Evict { get; init; }

    /// <summary>Of a schedule whose cache has an upstream.</summary>
    public double Upstream { get; init; }

    /// <summary>Of grains, which renew pushes.</summary>
    public double KeepAlive { get; init; }

    /// <summary>Of an operation to be done without anything in between.</summary>
    public double Whole { get; init; } = 0.35;

    /// <summary>Of an operation to begin though others wait.</summary>
    public double Start { get; init; } = 0.15;

    public double Fault { get; init; }

    public double Jump { get; init; }

    public double Lose { get; init; }

    /// <summary>Of a step to be the next one of the operation that made the last.</summary>
    public double Run { get; init; } = 0.4;

    public double Abort { get; init; } = 0.15;

    public double Leave { get; init; } = 0.1;

    /// <summary>Of a client that does it wrong.</summary>
    public double Slip { get; init; }

    public double Retains { get; init; } = 0.2;

    public VerifyPolicy Policy { get; init; }

    /// <summary>Readings, where there is such a policy.</summary>
    public double Verify { get; init; } = 3;

    /// <summary>Of a schedule in which nobody reads.</summary>
    public double Unread { get; init; }

    public double Grace { get; init; } = 0.2;

    public double SmallBatch { get; init; } = 0.5;

    /// <summary>The first operations, and what happens between them.</summary>
    public IReadOnlyList<Decision> Opening { get; init; } = [];

    /// <summary>Requests are likely to be held up before this.</summary>
    public string Slow { get; init; } = "";

    public IReadOnlyList<Chore> Chores { get; init; } = [Chore.Commits, Chore.Commits, Chore.Narinfos, Chore.Pins, Chore.FailedUploads,
        Chore.Deletions, Chore.Deletions, Chore.Deletions, Chore.Multiparts, Chore.Withdrawals];

    public IReadOnlyList<TimeSpan> Jumps { get; init; } = [TimeSpan.FromSeconds(25), TimeSpan.FromMinutes(6), TimeSpan.FromHours(2),
        TimeSpan.FromDays(2)];

    public IReadOnlyList<string> Universes { get; init; } = [.. Universe.All.Select(u => u.Name)];

    /// <summary>Of random schedules.</summary>
    public static IReadOnlyList<VerifyPolicy> Policies { get; set; } =
        [VerifyPolicy.Adopt, VerifyPolicy.Always, .. Enumerable.Repeat(VerifyPolicy.Off, 6)];

    /// <summary>Most rely on nobody's reading: the search of all else stays as quick as it was.</summary>
    public static Profile Random(Random random)
    {
        var profile = Lean(random);
        return Policies[random.Next(Policies.Count)] switch
        {
            VerifyPolicy.Always => profile with { Policy = VerifyPolicy.Always },
            VerifyPolicy.Adopt => profile with { Policy = VerifyPolicy.Adopt, Hostile = Pick(random, 3, 6), Unread = 0.3 },
            _ => profile,
        };
    }

    private static Profile Lean(Random random) => new()
    {
        Decisions = random.Next(20, 80),
        Operations = random.Next(3, 9),
        AtOnce = random.Next(2, 5),
        Pin = Pick(random, 0, 1.5, 4),
        Work = Pick(random, 0.5, 2),
        Whole = Pick(random, 0.1, 0.35, 0.6),
        Start = Pick(random, 0.1, 0.3),
        Fault = Pick(random, 0, 0, 0.1, 0.35),
        Jump = Pick(random, 0, 0.03, 0.1),
        Lose = Pick(random, 0, 0.03, 0.08),
        Run = Pick(random, 0, 0.5, 0.8),
        Grace = Pick(random, 0, 0.3),
        SmallBatch = Pick(random, 0.2, 0.8),
        Niks3 = Pick(random, 0, 2, 6),
        Nix = Pick(random, 0, 2, 6),
        Slip = 0.1,
        Evict = Pick(random, 0, 0, 1, 3),
        Hostile = Pick(random, 0, 0, 3, 6),
        Upstream = Pick(random, 0, 0, 0, 1),
    };

    private static double Pick(Random random, params double[] values) => values[random.Next(values.Length)];
}

/// <summary>Draws a schedule, decision by decision, from a seed.</summary>
internal sealed class Generator
{
    private static readonly Fault[] WriteFaults = [Fault.Refuse, Fault.Deny, Fault.LoseAnswer, Fault.Drop, Fault.Delay, Fault.Delay];
    private static readonly Fault[] OtherFaults = [Fault.Deny, Fault.LoseAnswer, Fault.Drop];
    private readonly Random _random;
    private readonly Profile _profile;
    private readonly Dictionary<(int, int), double> _weights = [];
    private int _left;
    private int _operations;
    private readonly double _verify;
    private int _opened;
    private int _last;

    /// <param name="grains">Stand before the services.</param>
    public Generator(int seed, Profile? profile, bool grains)
    {
        _random = new Random(seed);
        _profile = (profile ?? Profile.Random(_random)) with { KeepAlive = grains ? 1 : 0 };
        _left = _profile.Decisions;
        var universe = Any(_profile.Universes);
        Setting = new Setting(Universe.All.First(u => u.Name == universe), Chance(_profile.Retains), _profile.Policy,
            Reads: !Chance(_profile.Unread));
        if (_profile.Upstream > 0 && Chance(_profile.Upstream))
            Setting = Setting with { Upstream = [.. Setting.Universe.Paths.SkipLast(1).Where(_ => Chance(0.7))] };
        if (_profile.Policy != VerifyPolicy.Off)
            _verify = _profile.Verify;
    }

    public Setting Setting { get; }

    /// <summary>Null: the schedule is at its end.</summary>
    public Decision? Next(Schedule schedule)
    {
        if (_left-- == 0)
            return null;
        var waiting = schedule.Turns.Waiting;
        if (schedule.Store.Late.Count > 0 && Chance(0.1))
            return new LandDecision(Any(schedule.Store.Late).Name);
        if (_operations > 0 && Chance(_profile.Jump))
            return new JumpDecision(Any(_profile.Jumps));
        if (waiting.Count > 0 && Chance(_profile.Lose))
        {
            var lost = Any(waiting);
            return Chance(0.2) ? new CrashDecision(lost.Gateway) : new LoseDecision(lost.Operation, lost.Call, Chance(0.5));
        }

        if (_operations < _profile.Operations && (waiting.Count == 0 || schedule.Running < _profile.AtOnce && Chance(_profile.Start)))
            return _opened < _profile.Opening.Count ? Opening()
                : new StartDecision(NewOperation(schedule), Chance(_operations < 2 ? 0.7 : _profile.Whole));
        return waiting.Count == 0 ? null : Step(waiting);
    }

    private Decision Opening()
    {
        var decision = _profile.Opening[_opened++];
        if (decision is StartDecision start)
            _operations = start.Operation.Id;
        return decision;
    }

    private StepDecision Step(IReadOnlyList<Flow> waiting)
    {
        var flow = waiting.FirstOrDefault(f => f.Operation == _last && !IsSlow(f) && Chance(_profile.Run)) ?? Weighted(waiting);
        _last = flow.Operation;
        var isStore = flow.What.Length > 0 && char.IsAsciiLetterUpper(flow.What[0]);
        var isWrite = flow.What.StartsWith("PUT", StringComparison.Ordinal) || flow.What.StartsWith("DELETE", StringComparison.Ordinal);
        return new StepDecision(flow.Operation, flow.Call, isStore && Chance(_profile.Fault) ? Any(isWrite ? WriteFaults : OtherFaults)
            : Fault.None);
    }

    private Flow Weighted(IReadOnlyList<Flow> waiting)
    {
        // Some requests are slow, and some are as good as stopped.
        foreach (var flow in waiting)
            _weights.TryAdd((flow.Operation, flow.Call), Any(new[] { 1, 1, 1, 5, 0.03 }));
        var at = _random.NextDouble() * waiting.Sum(Weight);
        return waiting.FirstOrDefault(f => (at -= Weight(f)) < 0) ?? waiting[^1];

        double Weight(Flow flow) => _weights[(flow.Operation, flow.Call)] * (IsSlow(flow) ? 0.02 : 1)
            * (_verify > 0 && flow.What == Turns.Pause ? 0.2 : 1);
    }

    private Operation NewOperation(Schedule schedule)
    {
        var id = ++_operations;
        var path = Any(schedule.Universe.Paths);
        if (Setting.Upstream is not null && Chance(0.15))
            return Chance(0.3) ? new ChoreOperation(id, Chore.Upstreams) : new UpstreamOperation(id, path, _random.Next(2));
        var pushes = _profile.Push + _profile.Niks3 + _profile.Nix + _profile.Hostile;
        var kind = _random.NextDouble() * (id == 1 ? pushes : pushes + _profile.Collect + _profile.Work + _profile.Pin + _profile.KeepAlive
            + _profile.Evict + _verify);
        if ((kind -= _profile.Push) < 0)
        {
            var (end, pin) = (End(), _profile.Pin > 0 && Chance(0.2) ? "p" : null);
            return new PushOperation(id, Root(), _random.Next(2), pin, end, Chance(0.2), Chance(0.15))
            {
                By = pin is null
                ? Pusher() : Pinner()
            };
        }

        if ((kind -= _profile.Niks3) < 0)
            return new Niks3Operation(id, Root(), _random.Next(2), End(), Chance(_profile.Slip)
                ? Any(new[] { Slip.DeclaresNothing, Slip.DeclaresOther }) : Slip.None)
            { By = Pusher() };
        if ((kind -= _profile.Nix) < 0)
            return new NixOperation(id, Root(), _random.Next(2), _random.Next(2), Chance(0.5), Chance(0.25), Any(Enum.GetValues<NixLog>()),
                Chance(_profile.Slip))
            { By = Pusher() };
        if ((kind -= _profile.Hostile) < 0)
            return Hostile();

        if ((kind -= _profile.Collect) < 0)
            return new CollectOperation(id, Setting.Retains, Chance(_profile.Grace) ? 3600 : 0, Chance(_profile.SmallBatch) ? 1 : 1000);
        if ((kind -= _profile.Work) < 0)
            return new ChoreOperation(id, Any(_profile.Chores));
        if ((kind -= _verify) < 0)
            return new ChoreOperation(id, Setting.Reads && !Chance(0.2) ? Chore.Verifications : Chore.Scrub);
        if ((kind -= _profile.KeepAlive) < 0)
            return new KeepAliveOperation(id);
        if (kind - _profile.Evict < 0)
            return new EvictOperation(id, path, Chance(0.2), Chance(0.5));
        return new PinOperation(id, Any(new[] { PinChange.Set, PinChange.Set, PinChange.Set, PinChange.SetForAnHour, PinChange.Rollback,
            PinChange.Delete }), path)
        { By = Pinner() };

        Operation Hostile()
        {
            var root = Root();
            var lie = new Lie(Any(_profile.Lies), Chance(0.5) ? root : Any(schedule.Universe.Paths));
            return _random.NextDouble() switch
            {
                < 0.15 => new TrespassOperation(id, Any(Enum.GetValues<Trespass>())) { By = Party.Mallory },
                < 0.35 => new NixOperation(id, root, _random.Next(2), _random.Next(2), Chance(0.5), Chance(0.25), NixLog.None,
                    Breaks: false)
                { By = Party.Mallory, Lie = lie },
                < 0.45 => new Niks3Operation(id, root, _random.Next(2), End(), Slip.None) { By = Party.Mallory, Lie = lie },
                _ => new PushOperation(id, root, _random.Next(2), null, End(), Chance(0.2), Chance(0.15))
                {
                    By = Party.Mallory,
                    Lie = lie,
                    KeyOf = Chance(0.1) ? _random.Next(1, id + 3) : 0
                },
            };
        }

        Party Pusher() => _profile.Hostile > 0 ? Any(Parties.Pushers) : Party.Anyone;

        Party Pinner() => _profile.Hostile > 0 ? Any(Parties.Pinners) : Party.Anyone;

        PushEnd End() => _random.NextDouble() is var e && e < _profile.Abort ? PushEnd.Abort : e < _profile.Abort + _profile.Leave
            ? PushEnd.Leave : PushEnd.Commit;

        // Mostly the top, so that there is a closure.
        string Root() => Chance(0.6) ? schedule.Universe.Paths[^1] : path;
    }

    private bool IsSlow(Flow flow) => _profile.Slow.Length > 0 && flow.What.StartsWith(_profile.Slow, StringComparison.Ordinal);

    private bool Chance(double probability) => _random.NextDouble() < probability;

    private T Any<T>(IReadOnlyList<T> items) => items[_random.Next(items.Count)];
}
