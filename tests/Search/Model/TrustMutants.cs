using OrleansCache.Core.Common;
using static OrleansCache.Model.Tests.Mutants;

namespace OrleansCache.Model.Tests;

/// <summary>Guards between publishers, taken away one by one, each at each place where it stands.</summary>
/// <remarks>
/// Not here is what another guard does again (ranks at begin, names when a late declaration comes, the NAR of a narinfo of stock Nix: the
/// commit asks once more), what only costs time (sizes, reports and commits by others of what the store and the commit look at themselves),
/// and what no invariant sees (logs; a pin without a push, which an equal rank may still overtake).
/// </remarks>
internal static class TrustMutants
{
    private static readonly Profile Hostile = new()
    {
        Push = 4,
        Hostile = 5,
        Pin = 0.5,
        Collect = 0,
        Work = 0.3,
        Fault = 0,
        Jump = 0,
        Lose = 0,
        Abort = 0.05,
        Leave = 0.05,
        Retains = 0,
        Grace = 0,
        Whole = 0.5,
        Decisions = 80,
        Universes = ["a pair", "two tops", "two builders"],
    };

    private static readonly Profile Noisy = Hostile with { Lies = [LieKind.Noise, LieKind.Noise, LieKind.None] };
    private static readonly Profile Lying = Hostile with { Lies = [LieKind.References, LieKind.Nar, LieKind.Ca, LieKind.Size] };
    private static readonly Profile Naming = Hostile with { Lies = [LieKind.Name] };

    public static IReadOnlyList<Mutant> All { get; } =
    [
        // Whose bytes.
        new("a begin or wait holds a NAR that another group uploaded")
        {
            IsQuick = true,
            Patch = Patch(("or o.id = any(v_locked))\n        and @fn@.usable(o.verified and not p_blind, o.trust_group, v_legacy, v_group)",
                "or o.id = any(v_locked))")),
            Profile = Noisy,
        },
        new("a begin calls a live path present whose NAR only another group vouches for")
        {
            IsQuick = true,
            Patch = Patch(("@fn@.verdict(n.same, @fn@.usable(n.verified, n.trust_group, v_legacy, v_group),",
                "@fn@.verdict(n.same, true,")),
            Profile = Noisy,
        },
        new("a wait or commit takes a live path as its own whose NAR only another group vouches for")
        {
            Patch = Patch(
                ("@fn@.usable(s.verified, s.trust_group, @fn@.legacy_group(p_cache, coalesce(u.trust_group, 0)), coalesce(u.trust_group, 0)) as usable", "true as usable")),
            Profile = Noisy with { Whole = 0.2 },
        },
        new("a commit publishes with a NAR that another group uploaded")
        {
            IsQuick = true,
            Patch = Patch(("and @fn@.usable(o.verified, o.trust_group, p_legacy, coalesce(p_push.trust_group, 0)) and (p_among",
                "and (p_among")),
            Profile = Noisy with { Policy = VerifyPolicy.Adopt, Unread = 0.5 },
        },
        new("a narinfo of stock Nix is taken for the live path whose NAR only another group vouches for")
        {
            IsQuick = true,
            Patch = Patch(("@fn@.usable(v_row.verified, v_row.trust_group, v_legacy, v_group), v_row.name <> p_name",
                "true, v_row.name <> p_name")),
            Profile = Noisy with { Nix = 8, Push = 1 },
        },
        new("a pin is set on what another group published and no server has read")
        {
            IsQuick = true,
            Patch = Patch(("  elsif v_unread then\n    outcome := 'unread';\n", "")),
            Profile = Noisy with { Pin = 8 },
        },

        // What is declared.
        new("a begin compares nothing")
        {
            IsQuick = true,
            Patch = Patch(
                ("s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (s.refs = d.refs or coalesce(s.declared = d.digest, false)) " +
                "and (d.name is null or s.name = d.name and s.ca is not distinct from d.ca) as same", "true as same")),
            Profile = Opened(["a pair"], Do(Squat(1, "b", LieKind.Nar)), Do(Push(2, "b") with { By = Party.Alice })),
        },
        new("a begin does not compare the content address")
        {
            IsQuick = true,
            Patch = Patch(("(d.name is null or s.name = d.name and s.ca is not distinct from d.ca) as same",
                "(d.name is null or s.name = d.name) as same")),
            Profile = Opened(["a pair"], Do(Squat(1, "a", LieKind.Ca)), Do(Push(2, "a") with { By = Party.Alice })),
        },
        new("a begin does not compare references")
        {
            IsQuick = true,
            Patch = Patch(("s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (s.refs = d.refs or coalesce(s.declared = d.digest, false)) " +
                "and (d.name is null",
                "s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (d.name is null")),
            Profile = Opened(["a pair"], Do(Squat(1, "b", LieKind.References)), Do(Push(2, "b") with { By = Party.Alice })),
        },
        new("a begin does not compare names")
        {
            IsQuick = true,
            Patch = Patch(("d.digest, s.name <> d.name as misnamed", "d.digest, false as misnamed"),
                ("(d.name is null or s.name = d.name and s.ca", "(d.name is null or s.ca")),
            Profile = Opened(["a pair"], Do(Squat(1, "a", LieKind.Name)), Do(Push(2, "a") with { By = Party.Alice })),
        },
        new("a wait or commit compares nothing")
        {
            Patch = Patch(
                ("s.nar_hash = d.nar_hash and s.nar_size = d.nar_size and (s.refs = d.refs or coalesce(s.declared = d.digest, false)) " +
                "and (not d.declared or d.name in ('', s.name) and s.ca is not distinct from d.ca) as same", "true as same")),
            Profile = Lying with { Whole = 0.2 },
        },
        new("a wait or commit does not compare names")
        {
            Patch = Patch(("d.name not in ('', s.name) as misnamed", "false as misnamed"),
                ("(not d.declared or d.name in ('', s.name) and s.ca", "(not d.declared or s.ca")),
            Profile = Naming with { Whole = 0.2 },
        },
        new("a wait takes what is live as it is")
        {
            Patch = Patch(("and not d.path_id = any(v_better || v_kept);", ";")),
            Profile = Lying with { Whole = 0.1, Push = 6 },
        },
        new("a narinfo of stock Nix is not compared")
        {
            Patch = Patch(
                ("v_row.name = p_name and v_row.nar_hash = p_nar_hash and v_row.nar_size = p_nar_size and (v_row.refs = v_ref_ids " +
                "or coalesce(v_row.declared = p_digest, false)) and v_row.ca is not distinct from p_ca,", "true,"),
                ("v_legacy, v_group), v_row.name <> p_name,", "v_legacy, v_group), false,")),
            Profile = Lying with { Nix = 8, Push = 1 },
        },
        new("a narinfo of stock Nix names references as it likes")
        {
            Patch = Patch(("where r.hash <> p_hash and s.name <> r.name) then", "where false) then")),
            Profile = Naming with { Nix = 8, Push = 2 },
        },
        new("who declares late names references as it likes")
        {
            IsQuick = true,
            Patch = Patch(("bool_or(t.state = 'live' and t.name <> r.name and not", "bool_or(false and not")),
            Profile = Naming with { Niks3 = 8, Push = 2 },
        },
        new("the commit does not set the name")
        {
            Patch = Patch(
                ("name = coalesce(nullif(d.name, ''), s.name), declared = d.digest, declared_at = clock_timestamp(), publisher = " +
                "v_push.publisher, trust_group = v_push.trust_group, rank = v_push.rank,",
                "name = case when s.name = '' then d.name else s.name end, declared = d.digest, declared_at = clock_timestamp(), " +
                    "publisher = v_push.publisher, trust_group = v_push.trust_group, rank = v_push.rank,")),
            Profile = Naming with { Collect = 4 },
        },

        // Whose push.
        new("whoever knows a push's id may abort it") { IsQuick = true, Patch = Anybody, Profile = Trespassing(Trespass.Abort) },

        // Ranks.
        new("every declaration supersedes") { Patch = Patch(("when p_lower or p_same and p_is_read or p_more then 'supersede'",
            "when true then 'supersede'")), Profile = Lying },
        new("a narinfo of stock Nix supersedes whatever its rank")
        {
            // Its commit asks again, so either guard alone would do.
            Patch = Patch(("v_row.name <> p_name, v_row.rank < p_rank,", "v_row.name <> p_name, true,"),
                ("x.misnamed, x.rank < x.own_rank,", "x.misnamed, true,")),
            Profile = Lying with { Nix = 8, Push = 0, Niks3 = 0 },
        },
        new("a wait or commit supersedes whatever its rank")
        {
            IsQuick = true,
            Patch = Patch(("x.misnamed, x.rank < x.own_rank,", "x.misnamed, true,")),
            Profile = Lying with { Whole = 0.2 },
        },
        new("a commit does not vouch for what it was promised")
        {
            IsQuick = true,
            Patch = Patch(("and s.rank < v_push.rank and not s.id = any(v_declared)) end;", "and false) end;")),
            Profile = Opened(["two builders"], Do(Push(1, "b") with { By = Party.Alice }), Do(Push(2, "b") with { By = Party.Dora }),
                Do(Push(3, "b") with { By = Party.Dan, Builder = 1 })),
        },
        new("a commit does not vouch for what is as it declares")
        {
            Patch = Patch(("where s.id = any(v_lower || v_same) and s.state", "where s.id = any(v_lower) and s.state"),
                ("where s.id = any(v_same) and s.rank < v_push.rank;", "where false;")),
            Profile = Opened(["two builders"], Start(Push(1, "b") with { By = Party.Alice }), Start(Push(2, "b") with { By = Party.Dora }),
                Start(Push(3, "b") with { By = Party.Dan, Builder = 1 })),
        },
        new("a pin moves at the commit onto other contents")
        {
            IsQuick = true,
            Patch = Patch(("or m.verdict = 'other' and v_push.pin is not null)", ")")),
            Profile = Opened(["two builders"], Start(Push(1, "b") with { By = Party.Dora, Pin = "p" }),
                Start(Push(2, "b") with { By = Party.Dan, Builder = 1 })),
        },
        new("a pin moves onto what was taken after the first half of the commit")
        {
            IsQuick = true,
            Patch = Patch(("filter (where m.verdict in ('other', 'misnamed') and d.supersedes and not d.superseded), '{}')",
                "filter (where false), '{}')")),
            Profile = Opened(["two builders"], Do(Squat(1, "b", LieKind.References)),
                Start(Push(2, "b") with { By = Party.Dora, Pin = "p" }), Start(Push(3, "b") with { By = Party.Dan, Builder = 1 })),
        },
        new("what an equal rank took after the first half of a commit is superseded all the same")
        {
            Patch = Patch(("filter (where m.verdict = 'supersede' and d.supersedes and not d.superseded), '{}')",
                "filter (where m.verdict in ('supersede', 'other', 'misnamed') and d.supersedes and not d.superseded), '{}')")),
            Profile = Opened(["two builders"], Do(Squat(1, "b", LieKind.References)), Start(Push(2, "b") with { By = Party.Dora }),
                Start(Push(3, "b") with { By = Party.Dan, Builder = 1 })),
        },

        // Time.
        new("a superseded NAR is garbage at once")
        {
            Patch = Patch(("from (select distinct s.objects[1] as id from store_path s where s.id = any(v_supersedes) and not",
                "from (select distinct s.objects[1] as id from store_path s where false and not")),
            Profile = Hostile with { Lies = [LieKind.Nar], Collect = 3, Work = 1, Chores = [Chore.Deletions, Chore.Commits] },
        },
        new("a commit is told before a superseded path is written")
        {
            Patch = Patch(("  if @fn@.unwritten_paths(p_cache, v_push.paths || v_own) <> '{}' then return 'committing'; end if;\n", "")),
            Profile = Lying with { Whole = 0.2, Niks3 = 2 },
        },
    ];

    /// <summary>Little but these operations, one after the other or side by side.</summary>
    private static Profile Opened(IReadOnlyList<string> universes, params StartDecision[] opening) =>
        Hostile with { Universes = universes, Opening = opening, Operations = opening.Length, Start = 0.3, Run = 0.5 };

    // Stock Nix's NARs are read by the server: Mallory is believed in all but what he says of them.
    private static NixOperation Squat(int id, string root, LieKind lie) =>
        Copy(id, root) with { By = Party.Mallory, Lie = new Lie(lie, root) };

    private static NixOperation Copy(int id, string root) => new(id, root, 0, 0, Compresses: true, Remembers: false, NixLog.None,
        Breaks: false);

    private static Func<string, string> Anybody =>
        Patch(("(p_any or b.name = p_publisher or p_commit and p_publisher = any(u.committers))", "true"));

    private static Profile Trespassing(Trespass what) => Hostile with
    {
        Hostile = 1,
        Opening = [Start(Push(1, "b") with { By = Party.Alice }), Start(new TrespassOperation(2, what) { By = Party.Mallory }),
            Start(new TrespassOperation(3, what) { By = Party.Mallory }), Start(Push(4, "b") with { By = Party.Dan })],
        Run = 0.2,
    };
}
