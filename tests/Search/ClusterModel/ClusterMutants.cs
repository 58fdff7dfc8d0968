using OrleansCache.Model.Tests;

namespace OrleansCache.ClusterModel.Tests;

/// <summary>
/// Readings that do something twice when a silo that stood still goes on with a turn that was done another way meanwhile. Each must be
/// found.
/// </summary>
internal static class ClusterMutants
{
    private static readonly Profile Pinning = new()
    {
        Pin = 8,
        Push = 3,
        Collect = 0,
        Work = 0,
        Lose = 0.15,
        Fault = 0,
        Jump = 0,
        Universes = ["a pair", "two tops"]
    };

    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("a grain changes a pin under an operation of its own") { GrainsForgetOperations = true, Profile = Pinning },
        new("the catalog does not know what an operation has done")
        {
            Patch = Mutants.Patch(
                ("  if not found then return; end if;\n  status := case when v_done.digest",
                    "  return;\n  status := case when v_done.digest"),
                ("p_digest, p_name) on conflict do nothing;\n    if found then return; end if;",
                    "p_digest, p_name) on conflict do nothing;\n    return;")),
            Profile = Pinning,
        },
    ];
}
