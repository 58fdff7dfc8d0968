using OrleansCache.Core.Catalog;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace OrleansCache.Model.Tests;

public sealed class ModelTests
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1";

    [Fact]
    public async Task No_schedule_of_pushes_pins_collections_crashes_and_faults_breaks_an_invariant()
    {
        var first = Random.Shared.Next(1, 1_000_000_000);
        var search = Full
            ? await Search.RunAsync(gateways: 2, workers: Environment.ProcessorCount, first, most: 5_000, TimeSpan.MaxValue)
            : await Search.RunAsync(gateways: 2, workers: Environment.ProcessorCount, first, most: int.MaxValue, TimeSpan.FromMinutes(2));

        Assert.True(search.Finding is null, search.ToString());
        Assert.True(search.Schedules > 0);
    }

    /// <summary>
    /// Those that are not hunted here are still what they say: a change of the catalog's functions has to take them along.
    /// </summary>
    [Fact]
    public void Every_mutant_finds_the_text_that_it_changes()
    {
        var text = CatalogSchema.FunctionText();

        Assert.All(Mutants.All.Where(m => m.Patch is not null), m => Assert.NotEqual(text, m.Patch!(text)));
    }

    /// <summary>The whole list with <c>--full</c>, else those that are found within seconds.</summary>
    public static TheoryData<string> MutantNames => [.. Mutants.All.Where(m => Full || m.IsQuick).Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(MutantNames))]
    public async Task The_model_finds(string mutant)
    {
        var hunt = await Search.HuntAsync(Mutants.All.Single(m => m.Name == mutant), first: 1, shrink: false);

        Assert.True(hunt.Finding is not null, hunt.ToString());
    }
}
