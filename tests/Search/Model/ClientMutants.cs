using static OrleansCache.Model.Tests.Mutants;

namespace OrleansCache.Model.Tests;

/// <summary>Readings that lose or lie with clients that are not ours: deferred pushes, and stock Nix.</summary>
internal static class ClientMutants
{
    private static readonly Profile Copying = new()
    {
        Push = 1,
        Nix = 5,
        Collect = 4,
        Pin = 0,
        Work = 0.5,
        Retains = 0,
        Grace = 0,
        Abort = 0,
        Leave = 0
    };
    private static readonly Profile Deferring = Copying with { Nix = 0, Niks3 = 6 };

    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("'present' to a stock client without a row that holds it")
        {
            IsQuick = true,
            Patch = Patch(("where u.id = n.push_id and not (n.paths <@ u.paths and n.objects <@ u.objects);",
                "where u.id = n.push_id and false;")),
            Profile = Copying with { Universes = ["a pair"] },
        },
        new("a hold that walks no references")
        {
            Patch = TouchAlone(
                "@fn@.touch(p_cache, v_paths || array(select unnest(u.paths) from push u where u.id = any(v_due)), '{}', v_objects) t;"),
            IsQuick = true,
            Profile = Copying with { Universes = ["a pair"],
                Opening = [Do(Push(1, "b")), Start(Collect(2)), Do(Copy(3, "b", remembers: true))], Whole = 0 },
        },
        new("a hold that does not stamp the NAR that it promises")
        {
            Patch = Patch(("  perform @fn@.stamp_objects(p_cache, v_g, v_objects);\n\n  select array_agg(b.trust_group order by",
                "  select array_agg(b.trust_group order by")),
            Profile = Copying with { Universes = ["shared NARs"], Opening = [Do(Copy(1, "a")), Start(Collect(2)), Start(Copy(3, "b"))],
                Operations = 4, Run = 0.5, Jump = 0.12, Jumps = [TimeSpan.FromMinutes(140)] },
        },
        new("a hold that has lapsed takes new promises")
        {
            Patch = Patch(
                ("and u.created + interval '1 hour' > v_now and u.expires > v_now and cardinality(u.paths) + cardinality(u.objects) < " +
                    "5000)\n      order", "and cardinality(u.paths) + cardinality(u.objects) < 5000)\n      order"),
                ("and u.created + interval '1 hour' > v_now and u.expires > v_now and cardinality(u.paths) + cardinality(u.objects) < 5000) as id", "and cardinality(u.paths) + cardinality(u.objects) < 5000) as id")),
            Profile = Copying with { Universes = ["a pair"], Jump = 0.05, Jumps = [TimeSpan.FromHours(2), TimeSpan.FromMinutes(20)] },
        },
        new("a narinfo of stock Nix that does not touch its references")
        {
            Patch = Patch(("@fn@.touch(p_cache, nix_put.path_id || v_refs, array[nix_put.path_id], array(",
                "@fn@.touch(p_cache, array[nix_put.path_id], array[nix_put.path_id], array("),
                ("clock_timestamp() + p_life, v_refs, array[v_nar], array[v_row.id], v_publisher, v_group, p_rank) returning id",
                    "clock_timestamp() + p_life, '{}', array[v_nar], array[v_row.id], v_publisher, v_group, p_rank) returning id")),
            IsQuick = true,
            Profile = Copying with { Universes = ["a pair"],
                Opening = [Do(Push(1, "a")), Start(Collect(2)), Start(Copy(3, "b", remembers: true))], Run = 0.7 },
        },
        new("a NAR is accepted although its key is being deleted")
        {
            IsQuick = true,
            Patch = Patch(
                ("perform 1 from push u where u.id = p_push and u.cache_id = p_cache and u.state = 'open' for no key update;\n  if not " +
                "found then return false; end if;\n  select a.object_id into v_first", "select a.object_id into v_first"),
                ("o.state = 'claimed' and o.claimed_by = p_push;\n  if not found then return false; end if;\n\n  update",
                    "o.state in ('claimed', 'deleting', 'tombstone') and o.claimed_by = p_push;\n  if not found then return false; end if;\n\n  update"),
                ("  update object o set state = 'stored', exclusive = false, leads = false, verified = true, nar_hash = p_nar_hash",
                "  perform @fn@.list_objects(p_cache, array[o.id], o.state, null) from object o where o.id = p_object and o.state <> " +
                    "'claimed';\n  update object o set state = 'stored', exclusive = false, leads = false, verified = true, nar_hash = p_nar_hash")),
            Profile = Copying with { Universes = ["a pair"], Jump = 0.1, Jumps = [TimeSpan.FromMinutes(140)], Push = 0, Collect = 0, Work =
                10, Whole = 0.8, Opening = [Start(Copy(1, "a"))], Chores = [Chore.FailedUploads, Chore.Deletions], Slow = "nix_stored" },
        },
        new("declare_paths trusts its client")
        {
            IsQuick = true,
            Patch = Patch(("or d.refs <> coalesce(r.ids, '{}') then 'differs'", "and false then 'differs'")),
            Profile = Deferring with { Universes = ["two builders", "builders and shared NARs"], Slip = 0.5 },
        },
        new("a commit takes what nobody has declared")
        {
            IsQuick = true,
            Patch = Patch(("if paths is not null then outcome := 'undeclared'; return; end if;", "")),
            Profile = Deferring with { Slip = 0.5 },
        },
        new("a log that is there is not held")
        {
            IsQuick = true,
            Patch = Patch(
                ("  update push u set objects = array(select unnest(u.objects) union select o.id from object o where o.id = any(v_ids) " +
                "and o.state = 'live') where u.id = p_push;\n", "")),
            Profile = Deferring with { Universes = ["a pair", "two tops"], Leave = 0.3, Collect = 6, Slow = "gc_sweep_objects" },
        },
        new("a log dies with the push that brought it first")
        {
            IsQuick = true,
            Patch = Patch(
                ("update object o set holders = array_append(o.holders, p_push) where o.id = v_id and o.state = 'stored' and not p_push " +
                "= any(o.holders);\n", "")),
            Profile = Deferring with { Collect = 0, Abort = 0.5, Universes = ["a pair"] },
        },
    ];

    private static NixOperation Copy(int id, string root, bool remembers = false) =>
        new(id, root, 0, 0, Compresses: false, remembers, NixLog.None, Breaks: false);
}
