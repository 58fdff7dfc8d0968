using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Core.Tests.Trust;
using OrleansCache.Testing;
using Xunit;
using static OrleansCache.Core.Tests.Trust.Publishers;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>What another trust group uploads just now is waited for where a server reads it afterwards: once, and not for long.</summary>
public sealed class AwaitedUploadTests
{
    private static readonly TextNar A = new("a", "alpha");

    [Fact]
    public async Task A_nar_that_two_groups_push_at_once_is_stored_once_and_read_once()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.BeginAsync(Mallory, World.Closure(A.Path()));

        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);
        Assert.Equal(PathState.Wait, (await world.WaitAsync(Victim, mine, "a")).State);
        await world.UploadAsync(Mallory, theirs, ("a", A.File));
        Assert.Equal(PathState.Wait, (await world.WaitAsync(Victim, mine, "a")).State);
        Assert.Equal(1, await world.VerifyAsync());

        Assert.Equal(PathState.Stored, (await world.WaitAsync(Victim, mine, "a")).State);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Victim, mine, TimeSpan.FromSeconds(30))).State);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(Mallory, theirs, TimeSpan.FromSeconds(30))).State);
        Assert.Equal(1, await world.QueryAsync<long>("select count(*) from object"));
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task An_upload_of_another_group_that_does_not_come_is_waited_for_as_long_as_it_could_take()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await world.BeginAsync(Mallory, World.Closure(A.Path()));
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        await world.TravelAsync(TimeSpan.FromSeconds(9));
        Assert.Equal(PathState.Wait, (await world.WaitAsync(Victim, mine, "a")).State);

        await world.TravelAsync(TimeSpan.FromSeconds(2));

        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, mine, "a")).State);
    }

    [Fact]
    public async Task However_many_groups_claim_it_a_push_waits_once()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await world.BeginAsync(Mallory, World.Closure(A.Path()));
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);
        for (var i = 0; i < 3; i++)
        {
            // Overdue soon, and taken over by another of them.
            await world.TravelAsync(TimeSpan.FromSeconds(9));
            await world.ExecuteAsync("update object set claimed_at = clock_timestamp()");
            Assert.Equal(PathState.Wait, (await world.WaitAsync(Victim, mine, "a")).State);
        }

        await world.TravelAsync(TimeSpan.FromSeconds(4));

        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, mine, "a")).State);
    }

    [Fact]
    public async Task An_upload_of_another_group_that_is_given_up_is_waited_for_no_longer()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        var theirs = await world.BeginAsync(Mallory, World.Closure(A.Path()));
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(mine.Missing).State);

        await world.Of(Mallory).AbortAsync(CacheName.Default, World.Id(theirs), CancellationToken.None);

        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, mine, "a")).State);
    }

    [Fact]
    public async Task Who_has_to_trust_nobody_waits_for_nobody()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Off);
        await world.BeginAsync(Mallory, World.Closure(A.Path()));

        Assert.Equal(PathState.Upload, Assert.Single((await world.BeginAsync(Victim, World.Closure(A.Path()))).Missing).State);
    }

    [Fact]
    public async Task Its_own_groups_upload_comes_before_another_groups()
    {
        await using var world = await World.CreateAsync(verify: VerifyPolicy.Adopt);
        await world.BeginAsync(Mallory, World.Closure(A.Path()));
        var mine = await world.BeginAsync(Victim, World.Closure(A.Path()));
        await world.TravelAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, mine, "a")).State);

        var also = await world.BeginAsync(Victim, World.Closure(A.Path()));
        Assert.Equal(PathState.Wait, Assert.Single(also.Missing).State);
        await world.Of(Victim).AbortAsync(CacheName.Default, World.Id(mine), CancellationToken.None);

        Assert.Equal(PathState.Upload, (await world.WaitAsync(Victim, also, "a")).State);
    }
}
