namespace OrleansCache.Model.Tests;

/// <summary>The readings of the protocol that lose data, and some that look like simplifications. Each must be found.</summary>
internal static class Mutants
{
    private static readonly Profile Calm = new() { Fault = 0, Jump = 0, Lose = 0 };
    private static readonly Profile Collecting = Calm with
    {
        Collect = 5,
        Push = 4,
        Pin = 0,
        Work = 0.5,
        Retains = 0,
        Grace = 0,
        Abort = 0,
        Leave = 0
    };

    public static IReadOnlyList<Mutant> All => [.. OfPushes, .. ClientMutants.All, .. TrustMutants.All, .. VerifyMutants.All,
        .. UpstreamMutants.All];

    private static readonly IReadOnlyList<Mutant> OfPushes =
    [
        new("condemn without referrers first") { IsQuick = true, CondemnsReferencesFirst = true,
            Profile = Collecting with { SmallBatch = 1 } },
        new("condemn without touched <= g_run") { IsQuick = true, Patch = Patch(("and s.state = 'live' and s.touched <= p_g returning",
            "and s.state = 'live' returning")), Profile = Collecting },
        new("condemn with the new g") { Patch = Patch(("and s.state = 'live' and s.touched <= p_g returning",
            "and s.state = 'live' and s.touched <= p_g + 1 returning")), Profile = Collecting },
        new("no barrier") { Patch = Patch(("set g = e.g + 1 where e.cache_id = p_cache returning e.g - 1",
            "set g = e.g where e.cache_id = p_cache returning e.g")), Profile = Collecting },
        new("mark in the barrier's transaction: its snapshot is older than the barrier") { MarksBeforeTheBarrier = true,
            Profile = Collecting with { Universes = ["a pair"], Opening = [Do(Push(1, "b")), Start(Collect(2)), Start(Push(3, "b"))],
            Slow = "gc_barrier" } },
        new("a pin touches only its own row")
        {
            Patch = TouchAlone("@fn@.touch(p_cache, v_path || v_there, v_lower || v_referrers) t;",
                "@fn@.touch(p_cache, v_path || v_there, v_referrers) t;"),
            Profile = Collecting with { Universes = ["a pair"], Push = 2, Collect = 4, Pin = 5, Whole = 0.4, Run = 0.3 },
        },
        new("what a push was promised of objects is no root")
        {
            IsQuick = true,
            Patch = Patch(("end, u.objects\n", "end, '{}'::bigint[]\n")),
            Profile = Collecting with { Universes = ["shared NARs"], Leave = 0.2 },
        },
        new("begin walks the client's references")
        {
            Patch = TouchAlone("@fn@.touch(p_cache, v_known) t;\n  end if;\n  if p_blind then"),
            Profile = Collecting with { Universes = ["two builders", "builders and shared NARs"], Whole = 0.6 },
        },
        new("the walk stops at touched = g without live")
        {
            Patch = Patch(("not (p.state = 'live' and p.touched = touch.g);\n  if v_cold", "not (p.touched = touch.g);\n  if v_cold"),
                ("not (q.state = 'live' and q.touched = touch.g)\n    )", "not (q.touched = touch.g)\n    )")),
            Profile = Calm with { Pin = 0, Collect = 1, Work = 0, Universes = ["a pair", "a chain"] },
        },
        new("a begin takes touched = g for live")
        {
            Patch = Patch(("s.state = 'live' and s.touched = v_g as hot", "s.touched = v_g as hot")),
            Profile = Calm with { Pin = 0, Collect = 1, Work = 0, Universes = ["a pair", "a chain"] },
        },
        new("a begin takes live for promised")
        {
            Patch = Patch(("s.state = 'live' and s.touched = v_g as hot", "s.state = 'live' as hot")),
            Profile = Collecting,
        },
        new("an older value of a pin lands later")
        {
            Patch = Patch(
                ("where p.id = any(v_ids) and s.id = p.path_id and not p.recorded and (p.fence is null or p.fence + p_margin < " +
                "clock_timestamp())", "where p.id = any(v_ids) and s.id = p.path_id and not p.recorded")),
            Profile = Calm with { Pin = 8, Collect = 0, Work = 0, Push = 3, Fault = 0.3, Lose = 0.05, Universes = ["a pair", "two tops"] },
        },
        new("sweep without referrers first") { SweepsReferencesFirst = true, Profile = Collecting with { SmallBatch = 1, Push = 1,
            Collect = 3, Work = 5, Chores = [Chore.Deletions], Universes = ["a pair"], Slow = "gc_sweep_paths" } },
        new("a sweep list that is cut off below a condemned referrer")
        {
            IsQuick = true,
            Patch = Patch(("s where m.cache_id = p_cache and m.state = 'condemned'\n",
                "s where m.cache_id = p_cache and m.state = 'condemned' and m.id = (select min(f.id) from moving_path f where f.state = 'condemned')\n")),
            Profile = Collecting,
        },
        new("an object is swept while a deleting path uses it")
        {
            IsQuick = true,
            SweepsObjectsAtOnce = true,
            Patch = Patch(("and o.touched <= p_g and not exists (select from used where used.id = o.id))", "and o.touched <= p_g)")),
            Profile = Collecting with { Fault = 0.3, Work = 3 },
        },
        new("a recorded upload dies with the push that made it")
        {
            IsQuick = true,
            Patch = Patch(("when o.state in ('claimed', 'stored') and array_remove(o.holders, p_push) = '{}'",
                "when o.state in ('claimed', 'stored') and (array_remove(o.holders, p_push) = '{}' or o.claimed_by = p_push)")),
            Profile = Calm with { Abort = 0.5, Collect = 0, Pin = 0, Work = 0 },
        },
        new("waves forget what an earlier run left deleting")
        {
            Patch = Patch(("where m.cache_id = p_cache and m.state = 'deleting'\n$$",
                "where m.cache_id = p_cache and m.state = 'deleting' and s.condemned_at >= coalesce((select r.heartbeat from gc_run r " +
                "where r.state = 'running' and r.heartbeat + interval '1 hour' > clock_timestamp()), '-infinity')\n$$")),
            Profile = Collecting with
            {
                Universes = ["a pair"], Jump = 0.1, Jumps = [TimeSpan.FromMinutes(6)], Work = 0, Push = 1, Decisions = 90,
                    Slow = "delete_take_paths",
                Opening = [Do(Push(1, "b")), Do(new PinOperation(2, PinChange.Set, "a")), Start(Collect(3)),
                    Do(new PinOperation(4, PinChange.Delete, "a")), Start(Collect(5))],
            },
        },
        new("sweep without the touched guard")
        {
            Patch = Patch(("and s.state = 'condemned' and s.touched <= p_g returning", "and s.state = 'condemned' returning"),
                ("s.condemned_at + p_grace <= clock_timestamp() and s.touched <= p_g", "s.condemned_at + p_grace <= clock_timestamp()")),
            Profile = Collecting with { Universes = ["a pair"], Jump = 0.1, Jumps = [TimeSpan.FromMinutes(6)], SmallBatch = 1, Work = 1,
                Chores = [Chore.Deletions], Operations = 8, Decisions = 110, Slow = "gc_sweep_paths",
                Opening = [Do(Push(1, "a")), Start(Collect(2)), Do(Push(3, "b")), Start(Collect(4))] },
        },
        new("the answer to a retry clears an intent while the first attempt is under way")
        {
            AnswersOfRetriesCount = true,
            Profile = Collecting with { Fault = 0.3, Universes = ["a pair"] },
        },
        new("a committing push expires, and publishing rows are no roots")
        {
            Patch = Patch(("u.cache_id = p_cache and (u.state = 'committing' or u.state = 'open' and u.expires >= clock_timestamp())",
                "u.cache_id = p_cache and u.expires >= clock_timestamp()"),
                ("where m.cache_id = p_cache and m.state = 'publishing' having count(*) > 0", "where false having count(*) > 0")),
            Profile = Collecting with { Jump = 0.1, Jumps = [TimeSpan.FromHours(2)] },
        },
        new("no fence") { IgnoresFences = true, Profile = Collecting with { Fault = 0.2, Jump = 0.1,
            Jumps = [TimeSpan.FromSeconds(25), TimeSpan.FromMinutes(6)], Lose = 0.05, Work = 3, Universes = ["a pair"] } },
        new("the second deletion meets a key that was granted again")
        {
            Patch = Patch(("in ('stored', 'condemned', 'live', 'claimed', 'gone')",
                "in ('stored', 'condemned', 'live', 'claimed', 'gone', 'tombstone')"),
                ("and f.state = 'gone' and f.fence is null and f.key", "and f.state in ('gone', 'tombstone') and f.key"),
                ("    v_lacking := v_hashes;\n",
                    "    v_lacking := v_hashes;\n    delete from tombstone t using object q where q.id = t.id and q.state = 'claimed';\n")),
            Profile = Collecting with
            {
                Universes = ["a pair"], Slow = "DELETE nar/", Operations = 4, Start = 0.5,
                Opening = [Do(Push(1, "a")), Do(Collect(2)), new JumpDecision(TimeSpan.FromDays(2)),
                    Start(new ChoreOperation(3, Chore.Deletions)),
                    Do(Push(4, "a"))],
            },
        },
        new("a returning path gets a new id")
        {
            Patch = Patch((
                "    update store_path s set state = 'gone', fence = null, recorded = false, unwritten = false, condemned_at = null,\n   " +
                    "   refs = '{}', objects = '{}', signatures = '{}', listing = null, has_listing = false, declared = null, publisher " +
                    "= null, trust_group = null, verified = false, rank = 0, barred = false\n    from unnest",
                "    delete from store_path s using unnest")),
            Profile = Collecting with { Universes = ["a pair", "a chain"], Work = 2 },
        },
        new("a row is deleted after a revive")
        {
            Patch = Patch(("in ('live', 'condemned') and not (q", "in ('live', 'condemned', 'deleting') and not (q"),
                ("filter (where w.state in ('live', 'condemned'))", "filter (where w.state in ('live', 'condemned', 'deleting'))"),
                ("filter (where w.state not in ('live', 'condemned'))",
                "filter (where w.state not in ('live', 'condemned', 'deleting'))"),
                ("where p.id = any(v_good) and p.state in ('live', 'condemned');",
                    "where p.id = any(v_good) and p.state in ('live', 'condemned', 'deleting');"),
                ("perform @fn@.list_paths(p_cache, v_back, 'condemned', null);\n  end if;\n  update",
                    "perform @fn@.list_paths(p_cache, v_back, 'condemned', null);\n  end if;\n  perform @fn@.list_paths(p_cache, v_good, " +
                    "'deleting', null);\n  update"),
                ("and r.done and s.fence is not null and s.state = 'deleting'", "and r.done and s.fence is not null")),
            Profile = Collecting,
        },
        new("what comes back stays in its list")
        {
            IsQuick = true,
            Patch = Patch(("perform @fn@.list_paths(p_cache, v_back, 'condemned', null);", "null;")),
            Profile = Collecting,
        },
        new("a commit that trusts its begin")
        {
            Patch = Patch(
                ("select t.g, t.unpromised into v_g, v_open from @fn@.touch(p_cache, v_push.paths || v_declared, array(select i from " +
                "unnest(v_declared) i where not i = any(v_kept)) || v_carriers || v_lower, v_push.objects || v_logs || array(\n    " +
                "select o.id from object o where o.cache_id = p_cache and o.kind = 'nar' and o.nar_hash = any(v_hashes) and o.state in " +
                "('stored', 'live', 'condemned')\n      and @fn@.usable(o.verified, o.trust_group, v_legacy, v_group))) t;",
                "select e.g, array(select d.path_id from push_path d where d.push_id = p_push) into v_g, v_open from gc_epoch e where " +
                "e.cache_id = p_cache;")),
            Profile = Collecting with { Universes = ["a pair"], Jump = 0.1, Jumps = [TimeSpan.FromHours(2)],
                Opening = [Do(Push(1, "b")), Start(Push(2, "b")), Start(Collect(3))], Slow = "commit_push" },
        },
        new("a withdrawal without the barrier")
        {
            Patch = Patch(
                ("  update gc_epoch e set g = e.g + 1 where e.cache_id = p_cache returning e.g - 1 into strict v_g;\n  update eviction",
                "  select e.g into strict v_g from gc_epoch e where e.cache_id = p_cache;\n  update eviction")),
            Profile = Evicting,
        },
        new("a walk that does not ask for bars")
        {
            Patch = Patch(("case when p.barred then 'deleting' else p.state end", "p.state"),
                ("case when q.barred then 'deleting' else q.state end", "q.state")),
            Profile = Evicting,
        },
        new("a commit that meets a bar stamps its rows")
        {
            Patch = Patch(
                ("update store_path s set state = 'live', listing = null where s.id = any(v_unpromised) and s.state = 'publishing';",
                "update store_path s set state = 'live', touched = v_g, listing = null where s.id = any(v_unpromised) and s.state = 'publishing';")),
            Profile = Evicting,
        },
        new("an eviction waits for no commit")
        {
            Patch = Patch(
                ("where u.cache_id = p_cache and u.state = 'committing'\n    and (exists (select from unnest(u.paths) i where i = any(e.found))", "where false and u.cache_id = p_cache and u.state = 'committing'\n    and (exists (select from unnest(u.paths) i where i = any(e.found))")),
            Profile = Evicting,
        },
    ];

    private static Profile Evicting => Collecting with { Evict = 5, Collect = 1, Universes = ["a pair", "a chain", "shared NARs"] };

    public static StartDecision Do(Operation operation) => new(operation, AtOnce: true);

    public static StartDecision Start(Operation operation) => new(operation, AtOnce: false);

    public static PushOperation Push(int id, string root) => new(id, root, 0, null, PushEnd.Commit, Renews: false, Replays: false);

    public static CollectOperation Collect(int id) => new(id, Retention: false, GraceSeconds: 0, Batch: 1);

    /// <summary>Text of the catalog's functions, replaced; the product never has a switch for it.</summary>
    public static Func<string, string> Patch(params (string From, string To)[] changes) => text =>
    {
        foreach (var (from, to) in changes)
        {
            if (!text.Contains(from, StringComparison.Ordinal))
                throw new InvalidOperationException($"The catalog's functions have changed; a mutant looks for: {from}");
            text = text.Replace(from, to, StringComparison.Ordinal);
        }

        return text;
    };

    /// <summary>Calls of touch that walk no references.</summary>
    public static Func<string, string> TouchAlone(params string[] calls) => text =>
    {
        var from = text.IndexOf("create function @fn@.touch(", StringComparison.Ordinal);
        var touch = text[from..(text.IndexOf("end $$;", from, StringComparison.Ordinal) + "end $$;".Length)];
        var alone = Patch(("@fn@.touch(", "@fn@.touch_alone("), ("touch.g", "touch_alone.g"),
            ("where w.state in ('live', 'condemned') and not", "where false and not"))(touch);
        return Patch([.. calls.Select(c => (c, c.Replace("@fn@.touch(", "@fn@.touch_alone(", StringComparison.Ordinal)))])(text)
            + "\n" + alone;
    };
}
