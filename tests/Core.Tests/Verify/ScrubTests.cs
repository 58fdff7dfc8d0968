using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>What is published is read again, oldest first, for ever.</summary>
public sealed class ScrubTests
{
    private static readonly TextNar A = new("a", "alpha");
    private static readonly TextNar B = TextNar.Mentioning("b", "a");

    [Fact]
    public async Task What_was_published_unread_is_read_once_a_round()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await PublishAsync(world);

        Assert.Equal(A.File.Length + B.File.Length, await ScrubAsync(world));
        Assert.Equal(2, await world.VerifyAsync());
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from store_path s join object o on o.id = s.objects[1] where s.verified and o.verified"));
        // The turn of all servers, the same round, and what was read lately.
        Assert.Null(await ScrubAsync(world));
        await world.TravelAsync(TimeSpan.FromHours(1));
        Assert.Null(await ScrubAsync(world));
        await world.ExecuteAsync("update cache set scrub_began = null");
        Assert.Equal(0, await ScrubAsync(world));

        await world.TravelAsync(TimeSpan.FromDays(8));
        Assert.Equal(A.File.Length + B.File.Length, await ScrubAsync(world));
    }

    [Fact]
    public async Task A_reading_leaves_the_row_as_the_narinfo_is_whose_client_computed_nothing_of_the_file()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var push = await world.SendAsync(Victim, World.Closure(A.Path()), A);
        await world.ExecuteAsync("update object set file_hash = null");
        await world.CommitAsync(Victim, push, TimeSpan.FromSeconds(30));
        Assert.Null(world.NarInfoOf("a")!.FileHash);

        await ScrubAsync(world);
        Assert.Equal(1, await world.VerifyAsync());

        Assert.Equal("", await world.FsckAsync());
    }

    [Fact]
    public async Task Bytes_that_have_changed_are_withdrawn_with_what_refers_to_them_and_the_next_push_heals_them()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await PublishAsync(world);
        await world.Core.Pins.As(new Caller("token:9", Victim.Group, 1)).SetAsync(CacheName.Default, PinName.Parse("app"),
            new SetPin { Path = B.Path().Path }, PinCondition.None, OperationId.New(), TimeSpan.FromSeconds(5), CancellationToken.None);
        var key = world.NarInfoOf("a")!.Url;
        world.Store.Objects[key] = [.. world.Store.Objects[key].Select((b, i) => i == 20 ? (byte)~b : b)];

        await ScrubAsync(world);
        await world.VerifyAsync();

        await Eventually.BecomesTrueAsync(async () =>
        {
            await world.Core.RunHousekeepingAsync(CancellationToken.None);
            return await world.StateOfAsync("a") == "gone" && await world.StateOfAsync("b") == "gone";
        });
        Assert.Empty(world.Store.NarInfos);
        Assert.NotNull((await world.Core.Pins.ShowAsync(CacheName.Default, PinName.Parse("app"), CancellationToken.None)).BrokenSince);
        await PublishAsync(world);
        Assert.Equal(A.File, world.Store.Objects[world.NarInfoOf("a")!.Url]);
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_store_that_errs_once_loses_nothing()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await PublishAsync(world);
        var key = world.NarInfoOf("a")!.Url;
        var good = world.Store.Objects[key];
        world.Store.Objects[key] = [.. good.Select((b, i) => i == 20 ? (byte)~b : b)];
        var reads = 0;
        // The second look finds what is really there.
        world.Store.OnRead = k =>
        {
            if (k.ToString() == key && ++reads == 2)
                world.Store.Objects[key] = good;
            return Task.CompletedTask;
        };

        await ScrubAsync(world);
        await world.VerifyAsync();

        Assert.Equal("live", await world.StateOfAsync("a"));
        Assert.Equal(2, await world.QueryAsync<long>("select count(*) from store_path where verified"));
    }

    [Fact]
    public async Task Off_reads_nothing()
    {
        await using var world = await World.CreateAsync();
        await PublishAsync(world);
        Assert.Null(await ScrubAsync(world));
    }

    private static async Task PublishAsync(World world)
    {
        var push = await world.SendAsync(Victim, World.Closure(A.Path(), B.Path("a")), A, B);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, push, TimeSpan.FromSeconds(30))).State);
    }

    // As Scrub asks, without its pauses.
    private static Task<long?> ScrubAsync(World world) => world.Core.Database.SingleAsync(
        "select @fn@.scrub(1, 16, interval '7 days', interval '10 seconds')", _ => { },
        r => r.IsDBNull(0) ? (long?)null : r.GetInt64(0), CancellationToken.None);
}
