using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Pins;
using OrleansCache.Core.Tests.Withdraw;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>What becomes of pins on what is taken back.</summary>
public sealed class BrokenPinTests
{
    [Fact]
    public async Task A_pin_keeps_name_and_path_and_says_since_when_it_is_broken_until_it_is_set_again()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a", "b"));
        await world.PushAsync(World.Chain("d"));
        await world.PinAsync("app", "b");
        await world.PinAsync("other", "d");

        var eviction = await world.EvictAsync("a");

        Assert.Equal(["app b"], eviction.Pins.Select(p => $"{p.Name} {p.Path.Name}"));
        var pin = await world.ShowAsync("app");
        Assert.Equal(("b", 1), (pin.Path.Name, pin.Revision));
        Assert.NotNull(pin.BrokenSince);
        Assert.Equal(["app"], (await world.Core.Pins.ListAsync(CacheName.Default, CancellationToken.None)).Pins.Where(p =>
            p.BrokenSince is not null).Select(p => p.Name.ToString()));
        Assert.Equal("b", world.BucketPin("app"));
        await world.AssertWholeAsync();
        await PinSteps.FailsAsync(ProblemKind.PathNotInCache, world.PinAsync("app", "b"));

        await world.PinAsync("app", "d");
        Assert.Null((await world.ShowAsync("app")).BrokenSince);
    }

    [Fact]
    public async Task A_pin_whose_path_came_back_with_another_content_is_broken_until_somebody_says_that_this_is_meant()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PinAsync("app", "a");
        await world.EvictAsync("a");

        await world.PushAsync(World.Closure(World.Path("a", content: "another")));

        Assert.NotNull((await world.ShowAsync("app")).BrokenSince);
        await world.PinAsync("app", "a");
        Assert.Null((await world.ShowAsync("app")).BrokenSince);
    }

    [Fact]
    public async Task A_kept_revision_that_was_taken_back_is_no_fault()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.PushAsync(World.Chain("d"));
        await world.PinAsync("app", "a", keep: 2);
        await world.PinAsync("app", "d");

        await world.EvictAsync("a");

        var pin = await world.ShowAsync("app");
        Assert.Null(pin.BrokenSince);
        Assert.Equal([true, false], pin.History!.Select(r => r.Present));
        await world.AssertWholeAsync();
    }
}
