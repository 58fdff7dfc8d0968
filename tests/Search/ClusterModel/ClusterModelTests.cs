using OrleansCache.Model.Tests;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace OrleansCache.ClusterModel.Tests;

/// <summary>The model, over three silos.</summary>
public sealed class ClusterModelTests
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1";

    [Fact]
    public async Task No_schedule_breaks_an_invariant_when_grains_stand_before_the_services()
    {
        var first = Random.Shared.Next(1, 1_000_000_000);
        var search = await Search.RunAsync(
            ModelCluster.Silos, Environment.ProcessorCount, first, most: Full ? 2_000 : int.MaxValue, Full ? TimeSpan.MaxValue
                : TimeSpan.FromMinutes(1), await ModelCluster.Started);

        Assert.True(search.Finding is null, search.ToString());
        Assert.True(search.Schedules > 0);
    }

    public static TheoryData<string> MutantNames => [.. ClusterMutants.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(MutantNames))]
    public async Task The_model_finds(string mutant)
    {
        var hunt = await Search.HuntAsync(ClusterMutants.All.Single(m => m.Name == mutant), first: 1, shrink: false, ModelCluster.Silos,
            await ModelCluster.Started);

        Assert.True(hunt.IsFound, hunt.ToString());
    }
}
