using System.Net;

namespace OrleansCache.Silo.Tests;

/// <summary>Our membership tables and statements, through the provider that asks for them.</summary>
public class MembershipTableTests
{
    private static readonly DateTime Start = new(2026, 1, 2, 3, 4, 5, 678, DateTimeKind.Utc);

    [Fact]
    public async Task A_new_cluster_has_a_version_and_no_members()
    {
        await using var table = await ProviderTables.CreateAsync();

        var data = await table.Membership.ReadAllAsync();

        Assert.Empty(data.Members);
        Assert.Equal(0, data.Version.Version);
    }

    [Fact]
    public async Task A_member_comes_back_as_it_was_written()
    {
        await using var table = await ProviderTables.CreateAsync();
        var entry = Member(1);
        entry.IAmAliveTime = Start.AddMinutes(1);

        Assert.True(await table.Membership.InsertRowAsync(entry, await NextAsync(table)));

        var data = await table.Membership.ReadRowAsync(entry.SiloAddress);
        var read = Assert.Single(data.Members).Item1;
        Assert.Equal(1, data.Version.Version);
        Assert.Equal((entry.SiloAddress, entry.SiloName, entry.HostName, entry.Status, entry.ProxyPort),
            (read.SiloAddress, read.SiloName, read.HostName, read.Status, read.ProxyPort));
        Assert.Equal((Start, Start.AddMinutes(1)), (read.StartTime, read.IAmAliveTime));
        Assert.True(read.SuspectTimes is null or { Count: 0 });
        Assert.Empty((await table.Membership.ReadRowAsync(Address(2))).Members);
    }

    [Fact]
    public async Task Of_changes_decided_on_one_view_exactly_one_is_taken()
    {
        await using var table = await ProviderTables.CreateAsync();
        var seen = await NextAsync(table);

        var taken = await Task.WhenAll(Enumerable.Range(1, 20).Select(i => table.Membership.InsertRowAsync(Member(i), seen)));

        Assert.Single(taken, t => t);
        var data = await table.Membership.ReadAllAsync();
        Assert.Equal((1, 1), (data.Version.Version, data.Members.Count));
    }

    [Fact]
    public async Task A_member_that_is_there_is_not_inserted_again_and_the_version_stays()
    {
        await using var table = await ProviderTables.CreateAsync();
        Assert.True(await table.Membership.InsertRowAsync(Member(1), await NextAsync(table)));

        Assert.False(await table.Membership.InsertRowAsync(Member(1), await NextAsync(table)));

        Assert.Equal(1, (await table.Membership.ReadAllAsync()).Version.Version);
    }

    [Fact]
    public async Task A_vote_is_written_on_the_version_that_it_was_cast_on_only()
    {
        await using var table = await ProviderTables.CreateAsync();
        var entry = Member(1);
        Assert.True(await table.Membership.InsertRowAsync(entry, await NextAsync(table)));
        var seen = await table.Membership.ReadAllAsync();
        entry.Status = SiloStatus.Dead;
        entry.AddSuspector(Address(2), Start.AddMinutes(5));
        entry.AddSuspector(Address(3), Start.AddMinutes(6));

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => UpdateAsync(table, entry, seen)));
        var ofNobody = await UpdateAsync(table, Member(9), await table.Membership.ReadAllAsync());

        Assert.Single(outcomes, o => o);
        Assert.False(ofNobody);
        var read = await table.Membership.ReadAllAsync();
        Assert.Equal(2, read.Version.Version);
        var member = Assert.Single(read.Members).Item1;
        Assert.Equal(SiloStatus.Dead, member.Status);
        Assert.Equal([(Address(2), Start.AddMinutes(5)), (Address(3), Start.AddMinutes(6))],
            member.SuspectTimes!.Select(s => (s.Item1, s.Item2)));
    }

    [Fact]
    public async Task A_heartbeat_is_no_change_of_membership_and_a_late_vote_does_not_take_it_back()
    {
        await using var table = await ProviderTables.CreateAsync();
        var entry = Member(1);
        Assert.True(await table.Membership.InsertRowAsync(entry, await NextAsync(table)));
        entry.IAmAliveTime = Start.AddMinutes(10);
        await table.Membership.UpdateIAmAliveAsync(entry);
        Assert.Equal(1, (await table.Membership.ReadAllAsync()).Version.Version);

        entry.IAmAliveTime = Start.AddMinutes(3);
        entry.AddSuspector(Address(2), Start.AddMinutes(5));
        Assert.True(await UpdateAsync(table, entry, await table.Membership.ReadAllAsync()));

        Assert.Equal(Start.AddMinutes(10), Assert.Single((await table.Membership.ReadAllAsync()).Members).Item1.IAmAliveTime);
    }

    [Fact]
    public async Task The_dead_are_cleaned_up_when_they_are_old_and_the_living_never()
    {
        await using var table = await ProviderTables.CreateAsync();
        var states = new[] { SiloStatus.Dead, SiloStatus.Dead, SiloStatus.Active, SiloStatus.Joining, SiloStatus.Dead };
        for (var i = 0; i < states.Length; i++)
        {
            var entry = Member(i);
            Assert.True(await table.Membership.InsertRowAsync(entry, await NextAsync(table)));
            entry.Status = states[i];
            entry.IAmAliveTime = i == 1 ? Start.AddDays(2) : Start;
            if (i == 4)
                entry.AddSuspector(Address(2), Start.AddDays(2));
            Assert.True(await UpdateAsync(table, entry, await table.Membership.ReadAllAsync()));
        }

        await table.Membership.CleanupDefunctSiloEntriesAsync(Start.AddDays(1));

        var left = (await table.Membership.ReadAllAsync()).Members.Select(m => m.Item1.SiloAddress).Order();
        Assert.Equal([Address(1), Address(2), Address(3), Address(4)], left);
    }

    [Fact]
    public async Task Clusters_on_one_database_know_nothing_of_each_other()
    {
        await using var table = await ProviderTables.CreateAsync();
        await using var other = await table.OfClusterAsync("other");
        Assert.True(await table.Membership.InsertRowAsync(Member(1), await NextAsync(table)));

        Assert.Empty((await other.Membership.ReadAllAsync()).Members);
        await other.Membership.DeleteMembershipTableEntriesAsync("other");

        Assert.Single((await table.Membership.ReadAllAsync()).Members);
    }

    [Fact]
    public async Task Behind_a_transaction_pooling_proxy_all_is_the_same()
    {
        await using var table = await ProviderTables.CreateAsync(throughPgBouncer: true);

        Assert.True(await table.Membership.InsertRowAsync(Member(1), await NextAsync(table)));
        await table.Membership.UpdateIAmAliveAsync(Member(1));

        Assert.Single((await table.Membership.ReadAllAsync()).Members);
    }

    private static async Task<TableVersion> NextAsync(ProviderTables table) => (await table.Membership.ReadAllAsync()).Version.Next();

    private static Task<bool> UpdateAsync(ProviderTables table, MembershipEntry entry, MembershipTableData seen) =>
        table.Membership.UpdateRowAsync(entry, seen.Version.VersionEtag, seen.Version.Next());

    private static SiloAddress Address(int number) => SiloAddress.New(IPAddress.Loopback, 11000 + number, number);

    private static MembershipEntry Member(int number) => new()
    {
        SiloAddress = Address(number),
        SiloName = $"silo {number}",
        HostName = "host",
        Status = SiloStatus.Joining,
        ProxyPort = 0,
        StartTime = Start,
        IAmAliveTime = Start,
    };
}
