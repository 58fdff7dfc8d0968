using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>
/// Generated: each statement of a collection meets one answer of each sort of <see cref="DatabaseAnswer"/>, and one that is lost. The run
/// comes to its end, in this process or the next, and takes no more than it may.
/// </summary>
public sealed class CollectionFaultTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [FullFact]
    public async Task A_collection_ends_whatever_one_of_its_statements_is_answered()
    {
        var direct = "";
        PostgresFaultProxy proxy = null!;
        await using var world = await World.CreateAsync(through: connection =>
            (proxy = new PostgresFaultProxy(direct = connection)).ConnectionString);
        await using var _ = proxy;
        await world.PushAsync(World.Chain("kept-a", "kept-b"));
        await world.Core.Pins.SetAsync(CacheName.Default, PinName.Parse("kept"), new SetPin { Path = World.Path("kept-b").Path }, default,
            OperationId.New(), TimeSpan.FromSeconds(30), None);

        var statements = await RunAsync("first", 0, null);
        Assert.True(statements > 5, $"{statements}");
        for (var at = 0; at < statements; at++)
        {
            for (var i = 0; i < DatabaseFaultTests.OneOfEachSort.Length; i++)
                await RunAsync($"at-{at}-{i}", at, DatabaseFaultTests.OneOfEachSort[i], isFault: true);
        }

        await world.AssertSoundAsync();
        Assert.Equal("", await world.FsckAsync());

        async Task<int> RunAsync(string name, int at, string? state, bool isFault = false)
        {
            await world.PushAsync(World.Chain($"{name}-a", $"{name}-b"));
            Assert.True(OperationId.TryParse(name, out var operation));
            proxy.Arm(at, isFault ? new PostgresFault(state, state is not null && DatabaseFaultTests.Fatal.Contains(state)) : null);
            var failure = await Record.ExceptionAsync(() => world.Core.Collection.StartAsync(CacheName.Default, World.Everything,
                operation, None));
            // Only the first statement is the request's own.
            Assert.True(failure is null || at == 0, $"{failure}");
            if (failure is not null)
                await world.Core.Collection.StartAsync(CacheName.Default, World.Everything, operation, None);

            var (ended, error) = ("running", (string?)null);
            await Eventually.BecomesTrueAsync(
                async () =>
                {
                    (ended, error) = await StateAsync(direct, operation);
                    if (ended == "running" && isFault && proxy.IsMet)
                    {
                        // Who ran it may have lost it: the next takes it over when its heart has been silent.
                        await world.TravelBesideWorkAsync(TimeSpan.FromMinutes(5));
                        await world.Core.RunHousekeepingAsync(None);
                    }

                    return ended != "running";
                },
                describe: () => $"{name}, {state ?? "a lost answer"}: {ended}\n{string.Join('\n', proxy.Statements)}");
            var count = proxy.Statements.Count;
            proxy.Disarm();
            var isOurs = state is not null && DatabaseAnswer.Of(state).Step == DatabaseStep.Fail;
            Assert.True(ended == "done" || (isOurs && ended == "failed"), $"{name}, {state}: {ended} {error}");
            Assert.NotNull(world.NarInfoOf("kept-b"));
            if (ended == "done")
                Assert.Null(world.NarInfoOf($"{name}-b"));
            return count;
        }
    }

    // Past the proxy, whose statements are counted.
    private static async Task<(string State, string? Error)> StateAsync(string direct, OperationId operation)
    {
        await using var connection = new NpgsqlConnection(direct);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select state::text, error from gc_run where operation like '%' || $1",
            connection)
        { Parameters = { new NpgsqlParameter { Value = operation.ToString() } } };
        await using var reader = await command.ExecuteReaderAsync();
        Assert.True(await reader.ReadAsync());
        return (reader.GetString(0), reader.IsDBNull(1) ? null : reader.GetString(1));
    }
}
