using OrleansCache.Contracts;
using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.Core.Tests.Pushes;

public sealed class LargePushTests
{
    [Fact]
    public async Task Fifteen_thousand_paths_are_one_push_of_few_statements()
    {
        await using var world = await World.CreateAsync();
        // A thousand levels deep.
        var paths = Enumerable.Range(0, 15_000)
            .Select(i =>
            World.Path($"p{i}", [.. Enumerable.Range(3, i == 0 ? 0 : 6)
            .Select(k => $"p{(i - k * k * k) switch { < 0 => i - 1, var x => x }}").Distinct()])).ToArray();

        var push = await world.BeginAsync(World.Closure(paths));
        await world.UploadAsync(push);
        // To its end, however long that takes on a busy machine: what goes on behind an answer would be counted below.
        var committed = await world.CommitAsync(push, patience: TimeSpan.FromMinutes(10));
        Assert.Equal((PushState.Committed, 15_000), (committed.State, committed.Published));
        var before = world.Core.Database.StatementCount;
        await world.CommitAsync(await world.BeginAsync(World.Closure(paths)));

        Assert.Equal(2, world.Core.Database.StatementCount - before);
    }
}
