using OrleansCache.Contracts;
using OrleansCache.Core.Tests.Adapters.NixCopy;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Withdraw.Withdrawing;

namespace OrleansCache.Core.Tests.Withdraw;

/// <summary>What is taken back does not come back by other clients' protocols either.</summary>
public sealed class WithdrawnClientsTests
{
    [Fact]
    public async Task A_narinfo_of_the_same_content_that_stock_Nix_puts_is_refused()
    {
        await using var world = await World.CreateAsync();
        var nix = new StockNix(world);
        await nix.CopyAsync("a");
        Assert.True(await nix.AskAsync("a"));

        await world.EvictAsync("a");

        Assert.False(await nix.AskAsync("a"));
        Assert.False(await nix.AskNarAsync("a"));
        await nix.PutNarAsync("a");
        await AssertRefusedAsync(nix.PutInfoAsync("a"), "a");
        await nix.CopyAsync("b");
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task What_niks3s_clients_open_is_refused()
    {
        await using var world = await World.CreateAsync();
        await world.PushAsync(World.Chain("a"));
        await world.EvictAsync("a");
        var path = World.Path("a");

        await AssertRefusedAsync(
            world.Core.Niks3Pushes.OpenAsync(CacheName.Default, new Niks3Push
            {
                Roots = [path.Path.Hash],
                Paths = [new(path.Path.Hash, path.NarHash, path.NarSize, [])],
                Objects = []
            }, CancellationToken.None), "a");
    }
}
