using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>The closure sets of this run; <c>ORLEANS_CACHE_TEST_FULL=1</c> adds the large ones.</summary>
public static class Sets
{
    public static IReadOnlyList<string> Names { get; } =
        Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1" ? ["small", "edge", "ca", "python-like", "many"]
            : ["small", "edge", "ca"];

    /// <summary><see cref="Names"/> as theory data.</summary>
    public static TheoryData<string> All { get; } = [.. Names];

    /// <summary>Each with the name of each newer Nix that is tried.</summary>
    public static TheoryData<string, string> ForNewer
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var nix in NixTool.Tried.Where(t => t != NixTool.Installed).Select(t => t.Name).DefaultIfEmpty("none"))
                foreach (var set in Names)
                    data.Add(nix, set);
            return data;
        }
    }
}
