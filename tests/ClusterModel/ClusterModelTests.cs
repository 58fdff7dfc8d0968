using OrleansCache.Model.Tests;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace OrleansCache.ClusterModel.Tests;

/// <summary>The model, over three silos.</summary>
public sealed class ClusterModelTests
{
    [FullFact]
    public async Task No_schedule_breaks_an_invariant_when_grains_stand_before_the_services()
    {
        var first = Random.Shared.Next(1, 1_000_000_000);
        var search = await Search.RunAsync(
            ModelCluster.Silos, Environment.ProcessorCount, first, most: 2_000, TimeSpan.MaxValue, await ModelCluster.Started);

        Assert.True(search.Finding is null, search.ToString());
        Assert.True(search.Schedules > 0);
    }

    public static TheoryData<string> MutantNames => [.. ClusterMutants.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(MutantNames))]
    public async Task The_model_finds(string mutant)
    {
        var hunt = await Search.HuntAsync(ClusterMutants.All.Single(m => m.Name == mutant), first: 1, shrink: false, ModelCluster.Silos, await ModelCluster.Started);

        Assert.True(hunt.Finding is not null, hunt.ToString());
    }
}

/// <summary>Left out, with the reason, unless the long forms are asked for.</summary>
public sealed class FullFactAttribute : FactAttribute
{
    public FullFactAttribute() => Skip = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1"
        ? null
        : "it takes minutes, and a schedule in some hundred is found stuck, it is not known yet by whose fault: with --full, or eng/model --engine orleans";
}
