using static OrleansCache.Model.Tests.Mutants;

namespace OrleansCache.Model.Tests;

/// <summary>Rule 14, left out in parts.</summary>
internal static class UpstreamMutants
{
    private static readonly Profile Bounded = new()
    {
        Upstream = 1,
        Pin = 3,
        Collect = 3,
        Work = 0.5,
        Retains = 0,
        Grace = 0,
        Abort = 0,
        Leave = 0,
        Universes = ["a pair", "a chain", "two tops"],
    };

    public static IReadOnlyList<Mutant> All =>
    [
        new("a pin does not ask for boundaries")
        {
            IsQuick = true,
            Patch = Patch(("elsif not p_boundaries and exists (select from @fn@.closure_boundaries(p_cache, v_path)) then", "elsif false then")),
            Profile = Bounded,
        },
        new("a pin that rides on a push does not")
        {
            IsQuick = true,
            Patch = Patch(("if v_push.pin ->> 'boundaries' is null then", "if false then"),
                ("    perform @fn@.adopt_boundaries(p_cache, v_g, v_referrers, v_there);\n    if false", "    if false")),
            Profile = Bounded with { Pin = 1, Push = 8 },
        },
        new("a boundary becomes a reference that nobody has promised")
        {
            Patch = Patch(("and t.id = any(p_there) and t.state = 'live' and t.touched = p_g", "and t.id = any(p_there)"),
                ("@fn@.touch(p_cache, v_path || v_there, v_lower || v_referrers) t;", "@fn@.touch(p_cache, array[v_path], v_lower || v_referrers) t;")),
            Profile = Bounded with { Pin = 6, Run = 0.2 },
        },
        new("what is superseded brings boundaries")
        {
            Patch = Patch(("    if paths <> '{}' then outcome := 'missing'; return; end if;\n  end if;\n\n  -- 7.", "  end if;\n\n  -- 7."),
                ("v_kept || @fn@.brought_boundaries(p_cache, p_push, v_supersedes);", "v_kept;")),
            Profile = Bounded with { Hostile = 4, Lies = [LieKind.None, LieKind.References], Universes = ["two builders", "builders and shared NARs"] },
        },
    ];
}
