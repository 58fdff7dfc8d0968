using System.Globalization;
using OrleansCache.Storm;
using OrleansCache.Testing;
using Xunit;
using Xunit.Abstractions;

namespace OrleansCache.Faults.Tests;

/// <summary>A piece of <c>eng/storm</c>: a minute, or ten with <c>ORLEANS_CACHE_TEST_FULL=1</c>.</summary>
/// <remarks>A run prints its seed; <c>ORLEANS_CACHE_TEST_SEED</c> repeats its choices, though not the scheduler's.</remarks>
public sealed class StormTests(ITestOutputHelper output)
{
    [BucketFact]
    public Task Nothing_is_lost_while_gateways_are_killed_and_stand_still_under_pushes_pins_and_collections() =>
        RunAsync(new StormOptions { Minutes = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1" ? 10 : 1 });

    /// <summary>With the time that two rotations take it would hold up all the others. <c>CachesUnderLoadTests</c> has a piece of it.</summary>
    [BucketFact(isLong: true)]
    public Task Nothing_crosses_between_two_caches_of_which_one_is_over_its_quota_and_has_its_keys_rotated() =>
        RunAsync(new StormOptions { Minutes = 10, Caches = 2 });

    private async Task RunAsync(StormOptions options)
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_SEED"), CultureInfo.InvariantCulture, out var seed))
            options = options with { Seed = seed };
        await using var told = new StringWriter(CultureInfo.InvariantCulture);

        var well = await StormRun.RunAsync(options, told);

        output.WriteLine(told.ToString());
        Assert.True(well, told.ToString());
    }
}
