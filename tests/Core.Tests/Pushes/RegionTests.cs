using System.Net.Sockets;
using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

/// <summary>A gateway in a region far from the database: a push costs a handful of round trips to it, however many paths it has.</summary>
public sealed class RegionTests
{
    private const int Paths = 2_000;
    private const int Limit = 8;

    [Theory]
    [InlineData(80)]
    [InlineData(150)]
    public async Task A_push_of_two_thousand_paths_costs_a_handful_of_round_trips_to_a_database_far_away(int milliseconds)
    {
        DelayProxy? proxy = null;
        await using var world = await World.CreateAsync(through: connection =>
        {
            var settings = new NpgsqlConnectionStringBuilder(connection);
            proxy = new DelayProxy(new UnixDomainSocketEndPoint($"{settings.Host}/.s.PGSQL.{settings.Port}"));
            (settings.Host, settings.Port) = ("127.0.0.1", proxy.Port);
            return settings.ConnectionString;
        });
        await using var _ = proxy!;
        string[] leaves = [.. Enumerable.Range(0, Paths - 1).Select(i => $"n{i}")];
        var closure = World.Closure([.. leaves.Select(n => World.Path(n)), World.Path("top", leaves)]);
        proxy!.Delay = TimeSpan.FromMilliseconds(milliseconds);

        // 1. Cold, in five reports.
        var before = proxy.RoundTrips;
        var opened = await world.BeginAsync(closure);
        foreach (var part in opened.Uploads.Chunk(Paths / 5))
            await world.UploadAsync(opened, part);
        Assert.Equal(PushState.Committed, (await world.CommitAsync(opened)).State);
        Assert.InRange(proxy.RoundTrips - before, 1, Limit + 5);

        // 2. Warm.
        before = proxy.RoundTrips;
        Assert.Equal(PushState.Committed, (await world.PushAsync(closure)).State);
        Assert.InRange(proxy.RoundTrips - before, 1, Limit);
    }
}
