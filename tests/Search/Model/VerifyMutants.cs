using OrleansCache.Core.Common;
using static OrleansCache.Model.Tests.Mutants;

namespace OrleansCache.Model.Tests;

/// <summary>Guards of verification, taken away one by one.</summary>
internal static class VerifyMutants
{
    private static readonly Profile Always = new()
    {
        Policy = VerifyPolicy.Always,
        Push = 4,
        Hostile = 5,
        Pin = 0,
        Collect = 0,
        Work = 0.3,
        Retains = 0,
        Grace = 0,
        Abort = 0.05,
        Leave = 0.05,
        Whole = 0.5,
        Decisions = 80,
        Universes = ["a pair", "two tops"],
        Lies = [LieKind.Noise],
    };

    private static readonly Profile Adopt = Always with { Policy = VerifyPolicy.Adopt };

    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("a commit does not ask whether its NARs were read")
        {
            IsQuick = true,
            Patch = Patch(("  if v_policy = 'off' then return; end if;\n", "  return;\n")),
            Profile = Always,
        },
        new("a claim takes another group's unread NAR as stored")
        {
            IsQuick = true,
            Patch = Patch(("        perform @fn@.stamp_objects(p_cache, v_g, v_read);\n",
                "        perform @fn@.stamp_objects(p_cache, v_g, v_read);\n        v_held := coalesce(v_held, '{}') || v_read;\n")),
            Profile = Adopt,
        },
        new("what was taken back is verified by a reading that began before")
        {
            IsQuick = true,
            Patch = Patch(("o.state in ('stored', 'live', 'condemned') and o.trust_group is distinct from -2\n    for no key update;\n",
                "o.state in ('stored', 'live', 'condemned')\n    for no key update;\n")),
            Profile = Adopt with
            {
                Hostile = 0, Operations = 4, Start = 0.5, Slow = "record_proofs",
                Opening = [Do(Push(1, "a")), Do(new ChoreOperation(2, Chore.Scrub)), Start(new ChoreOperation(3, Chore.Verifications)),
                    Start(new EvictOperation(4, "a", Nar: false, Lifts: true))],
            },
        },
        new("a refused NAR stays usable for its group")
        {
            IsQuick = true,
            Patch = Patch(("  update object o set trust_group = -2, verified = false where o.id = p_object;\n  delete from proof",
                "  delete from proof")),
            Profile = Adopt,
        },
        new("a commit declares references that its NAR does not have")
        {
            IsQuick = true,
            Patch = Patch(("k.has_proof and (k.missing <> '{}' and not k.is_open or", "k.has_proof and (")),
            Profile = Always with { Lies = [LieKind.MoreReferences] },
        },
        new("more references supersede before anybody has looked for them")
        {
            IsQuick = true,
            Patch = Patch(("v_policy = 'always' or s.state = 'live' and s.rank >= p_push.rank or d.path_id = any(v_added) as needed",
                "v_policy = 'always' as needed")),
            Profile = Adopt with
            {
                Universes = ["a chain"], Operations = 2, Jump = 0.3, Jumps = [TimeSpan.FromSeconds(25)],
                Opening = [Do(Push(1, "c") with { By = Party.Alice }),
                    Start(Push(2, "c") with { By = Party.Mallory, Lie = new Lie(LieKind.MoreReferences, "c") })],
            },
        },
        new("a proof survives its object")
        {
            IsQuick = true,
            Patch = Patch(("    delete from proof p where p.object_id = any(v_ids);\n", "")),
            Profile = Always with { Hostile = 0, Collect = 3, Work = 2, Chores = [Chore.Deletions] },
        },
        new("the wait for a reading has no end")
        {
            IsQuick = true,
            Patch = Patch(
                ("\n      and least(n.since, v.asked, clock_timestamp()) + @fn@.patience(n.nar_size, p_rate) >= clock_timestamp()", "")),
            Profile = Adopt with { Unread = 1 },
        },
    ];
}
