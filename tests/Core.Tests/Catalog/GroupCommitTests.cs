using Npgsql;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

/// <summary>
/// Items are "key" or "key:text"; the outcome of one is itself in upper case. The first statement waits until it is let go, so that a group
/// comes together behind it.
/// </summary>
public sealed class GroupCommitTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Who_comes_alone_is_served_alone()
    {
        await using var world = new Scripted();

        Assert.Equal("A", await world.Group.SubmitAsync("a", None));

        Assert.Equal(["a"], world.Statements);
        Assert.Equal(0, world.Group.Groups);
    }

    [Fact]
    public async Task What_comes_while_statements_run_goes_together_in_the_order_of_keys()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        var others = new[] { "d", "b", "c" }.Select(i => world.Group.SubmitAsync(i, None)).ToList();
        world.Release.SetResult();

        Assert.Equal(["D", "B", "C"], await Task.WhenAll(others));
        await Task.WhenAll(busy);
        Assert.Equal(["b c d"], world.Statements.Where(s => s.Contains(' ', StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Of_one_key_one_is_under_way_at_a_time()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        var twice = new[] { "a:1", "b", "a:2", "x1:again" }.Select(i => world.Group.SubmitAsync(i, None)).ToList();
        world.Release.SetResult();

        Assert.Equal(["A:1", "B", "A:2", "X1:AGAIN"], await Task.WhenAll(twice));
        await Task.WhenAll(busy);
        Assert.DoesNotContain(world.Statements, s => s.Contains("a:1", StringComparison.Ordinal)
            && s.Contains("a:2", StringComparison.Ordinal));
        Assert.True(world.Statements.FindIndex(s => s.Contains("a:1", StringComparison.Ordinal)) < world.Statements.FindIndex(s =>
            s.Contains("a:2", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Those_of_one_key_go_together_where_the_operation_takes_them_and_still_wait_for_one_that_is_under_way()
    {
        await using var world = new Scripted(sharesKeys: true);
        var busy = await world.OccupyAsync();

        var all = new[] { "b:2", "a", "b:1", "x1:again", "x1:more" }.Select(i => world.Group.SubmitAsync(i, None)).ToList();
        world.Release.SetResult();

        Assert.Equal(["B:2", "A", "B:1", "X1:AGAIN", "X1:MORE"], await Task.WhenAll(all));
        await Task.WhenAll(busy);
        Assert.Contains(world.Statements, s => s.StartsWith("a b:2 b:1", StringComparison.Ordinal));
        Assert.DoesNotContain("x1:again", world.Statements);
    }

    [Fact]
    public async Task One_that_cannot_be_done_costs_the_others_nothing_and_is_told_why()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        var good = "bcdefgh".Select(c => world.Group.SubmitAsync(c.ToString(), None)).ToList();
        var bad = world.Group.SubmitAsync("e:broken", None);
        var bad2 = world.Group.SubmitAsync("z:broken", None);
        world.Release.SetResult();

        Assert.Equal("BCDEFGH".Select(c => c.ToString()), await Task.WhenAll(good));
        await Assert.ThrowsAsync<PostgresException>(() => bad);
        await Assert.ThrowsAsync<PostgresException>(() => bad2);
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task One_that_takes_long_alone_keeps_nobody_of_its_group_waiting()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        var others = "abdefgh".Select(c => world.Group.SubmitAsync(c.ToString(), None)).ToList();
        var slow = world.Group.SubmitAsync("c:slow", None);
        world.Release.SetResult();

        Assert.Equal("ABDEFGH".Select(c => c.ToString()), await Task.WhenAll(others));
        Assert.Equal("B:AGAIN", await world.Group.SubmitAsync("b:again", None));
        Assert.False(slow.IsCompleted);
        world.ReleaseSlow.SetResult();
        Assert.Equal("C:SLOW", await slow);
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task Statements_that_wait_for_long_make_room_for_others()
    {
        await using var world = new Scripted(TimeSpan.FromMilliseconds(20));
        var busy = await world.OccupyAsync();

        Assert.Equal("A", await world.Group.SubmitAsync("a", None));
        Assert.Equal("X1:AGAIN", await world.Group.SubmitAsync("x1:again", None));

        Assert.All(busy, b => Assert.False(b.IsCompleted));
        world.Release.SetResult();
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task An_outage_is_told_to_all_of_the_group_at_once()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        var all = new[] { "a", "b:outage", "c" }.Select(i => world.Group.SubmitAsync(i, None)).ToList();
        world.Release.SetResult();

        foreach (var one in all)
            Assert.Equal(ProblemKind.Unavailable, (await Assert.ThrowsAsync<CacheProblemException>(() => one)).Kind);
        await Task.WhenAll(busy);
        Assert.Equal("D", await world.Group.SubmitAsync("d", None));
    }

    [Fact]
    public async Task What_is_heavy_goes_beside_the_groups()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        // Although no statement has ended.
        Assert.Equal("H:HEAVY", await world.Group.SubmitAsync("h:heavy", None));

        world.Release.SetResult();
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task A_group_is_as_heavy_as_a_statement_should_be()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();

        var many = Enumerable.Range(0, 25).Select(i => world.Group.SubmitAsync($"k{i:00}", None)).ToList();
        world.Release.SetResult();

        await Task.WhenAll([.. many, .. busy]);
        Assert.All(world.Statements, s => Assert.InRange(s.Split(' ').Length, 1, 10));
        Assert.InRange(world.Statements.Count, 3 + 3, 3 + 25);
    }

    [Fact]
    public async Task A_caller_that_gives_up_takes_nothing_from_the_others()
    {
        await using var world = new Scripted();
        var busy = await world.OccupyAsync();
        using var cancellationToken = new CancellationTokenSource();

        var given = world.Group.SubmitAsync("a", cancellationToken.Token);
        var other = world.Group.SubmitAsync("b", None);
        await cancellationToken.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        world.Release.SetResult();

        Assert.Equal("B", await other);
        await Task.WhenAll(busy);
    }

    [Fact]
    public async Task Who_waits_when_the_server_stops_is_told_to_ask_again()
    {
        var world = new Scripted();
        var busy = await world.OccupyAsync();
        var waiting = world.Group.SubmitAsync("a", None);

        await world.DisposeAsync();

        Assert.Equal(ProblemKind.Unavailable, (await Assert.ThrowsAsync<CacheProblemException>(() => waiting)).Kind);
        foreach (var one in busy)
            Assert.Equal(ProblemKind.Unavailable, (await Assert.ThrowsAsync<CacheProblemException>(() => one)).Kind);
        Assert.Equal(ProblemKind.Unavailable,
            (await Assert.ThrowsAsync<CacheProblemException>(() => world.Group.SubmitAsync("late", None))).Kind);
    }

    private sealed class Scripted : IAsyncDisposable
    {
        private readonly Lock _gate = new();
        private readonly SemaphoreSlim _started = new(0);

        public Scripted(TimeSpan? slow = null, bool sharesKeys = false) => Group = new(new GroupOperation<string, string>
        {
            SharesKeys = sharesKeys,
            Slow = slow ?? TimeSpan.FromMinutes(5),
            One = async (item, stop) => (await SendAsync([item], stop))[0],
            Many = SendAsync,
            Key = item => item.Split(':')[0],
            Weight = item => item.EndsWith("heavy", StringComparison.Ordinal) ? 100 : 10,
            MaxItemWeight = 50,
            MaxGroupWeight = 100,
        });

        public GroupCommit<string, string> Group { get; }

        public List<string> Statements { get; } = [];

        public TaskCompletionSource ReleaseSlow { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>As many statements as run at once, none of which ends before the release.</summary>
        public async Task<List<Task<string>>> OccupyAsync()
        {
            var busy = new List<Task<string>>();
            for (var i = 1; i <= 3; i++)
            {
                busy.Add(Group.SubmitAsync($"x{i}", None));
                await _started.WaitAsync(TimeSpan.FromSeconds(30));
            }

            return busy;
        }

        public ValueTask DisposeAsync() => Group.DisposeAsync();

        private async Task<IReadOnlyList<string>> SendAsync(IReadOnlyList<string> items, CancellationToken stop)
        {
            lock (_gate)
                Statements.Add(string.Join(' ', items));
            if (items is [['x', _]])
            {
                _started.Release();
                await Release.Task.WaitAsync(stop);
            }

            // A row that somebody holds: a group gives it up, one alone waits.
            if (items is ["c:slow"])
                await ReleaseSlow.Task.WaitAsync(stop);
            else if (items.Contains("c:slow"))
                throw new PostgresException("held", "ERROR", "ERROR", "55P03");

            return items.Any(i => i.EndsWith("broken", StringComparison.Ordinal))
                ? throw new PostgresException("no", "ERROR", "ERROR", "22012")
                : items.Any(i => i.EndsWith("outage", StringComparison.Ordinal))
                    ? throw new CacheProblemException(ProblemKind.Unavailable, "away")
                : items.Select(i => i.ToUpperInvariant()).ToList();
        }
    }
}
