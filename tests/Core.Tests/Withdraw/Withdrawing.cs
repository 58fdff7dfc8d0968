using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Withdraw;

/// <summary>What a test takes back, in one line each.</summary>
internal static class Withdrawing
{
    public static EvictRequest Of(params string[] names) => new() { Paths = [.. names.Select(World.Hash)] };

    public static Task<Eviction> EvictAsync(this World world, EvictRequest request, CacheCore? core = null, OperationId? operation = null,
        TimeSpan? patience = null) =>
        (core ?? world.Core).Withdrawals.EvictAsync(CacheName.Default, request, Admin, operation ?? OperationId.New(), patience
            ?? TimeSpan.FromMinutes(1), CancellationToken.None);

    /// <summary>To its end.</summary>
    public static async Task<Eviction> EvictAsync(this World world, params string[] names)
    {
        var eviction = await world.EvictAsync(Of(names));
        Assert.Equal(EvictionState.Done, eviction.State);
        return eviction;
    }

    /// <summary>Its server is gone, and the background work of another goes on until all is done.</summary>
    public static Task ResumeAsync(this World world) => Eventually.BecomesTrueAsync(async () =>
    {
        await world.TravelAsync(TimeSpan.FromMinutes(1));
        await world.Core.RunHousekeepingAsync(CancellationToken.None);
        return await world.QueryAsync<bool>("select not exists (select from eviction where finished is null)");
    });

    public static async Task AssertRefusedAsync(Task push, params string[] names)
    {
        var problem = await Assert.ThrowsAsync<CacheProblemException>(() => push);
        Assert.Equal(ProblemKind.Withdrawn, problem.Kind);
        Assert.Equal(names.Select(World.Hash).Order(), problem.Paths!.Order());
    }

    public static async Task<string> StatesAsync(this World world, params string[] names)
    {
        var states = new List<string>();
        foreach (var name in names)
            states.Add(await world.StateOfAsync(name));
        return string.Join(' ', states);
    }

    public static async Task<IReadOnlyList<Bar>> BarsAsync(this World world) =>
        (await world.Core.Withdrawals.ListBarsAsync(CacheName.Default, false, CancellationToken.None)).Bars;

    /// <summary>Bucket and catalog agree, and stay so after a collection of all that nothing keeps.</summary>
    public static async Task AssertWholeAsync(this World world)
    {
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
        Assert.Equal(GcState.Done, (await world.CollectAsync(World.Everything)).State);
        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());
    }
}
