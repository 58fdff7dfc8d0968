using Xunit;

namespace OrleansCache.Testing;

/// <summary>A test that takes so long that only <c>--full</c> runs it.</summary>
public sealed class FullFactAttribute : FactAttribute
{
    public FullFactAttribute() => Skip = FullTests.MissingReason;
}

/// <summary>The same for each row of its data.</summary>
public sealed class FullTheoryAttribute : TheoryAttribute
{
    public FullTheoryAttribute() => Skip = FullTests.MissingReason;
}

public static class FullTests
{
    public static string? MissingReason => Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1" ? null
        : "it takes a minute or more: with --full";
}

/// <summary>A test that moves so many bytes that only <c>--full</c> runs it.</summary>
public sealed class LargeFactAttribute : FactAttribute
{
    public LargeFactAttribute(bool inBucket = false) =>
        Skip = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") != "1"
            ? "it takes minutes and 20 GB of disk: with --full"
            : (inBucket ? new BucketFactAttribute().Skip : new NixFactAttribute().Skip);
}
