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
}
