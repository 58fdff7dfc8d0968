using OrleansCache.Contracts;
using OrleansCache.Core.Verify;
using Xunit;

namespace OrleansCache.Core.Tests.Verify;

/// <summary>What a server has taken, and in which order its readers get it.</summary>
public sealed class QueueTests
{
    [Fact]
    public async Task A_publisher_never_has_all_readers()
    {
        using var queue = new VerificationQueue(maxOfOne: 2);
        queue.Add(1, [Of(1, turn: 7), Of(2, turn: 7), Of(3, turn: 7), Of(4, turn: 8)]);

        List<long> reading = [await NextAsync(queue), await NextAsync(queue), await NextAsync(queue)];

        Assert.Equal([1, 2, 4], reading);
        var waiting = NextAsync(queue);
        Assert.False(waiting.IsCompleted);
        queue.Read(1, Of(1, turn: 7));
        Assert.Equal(3, await waiting.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void Who_has_enough_here_is_passed_over_until_some_of_it_is_recorded()
    {
        using var queue = new VerificationQueue(maxOfOne: 2);
        var first = Of(1, turn: 7);
        queue.Add(1, [first, Of(2, turn: 7), Of(3, turn: 8)]);

        Assert.Equal([7], queue.Busy(1, most: 2));
        Assert.Empty(queue.Busy(2, most: 2));
        queue.Remove(1, first);
        Assert.Empty(queue.Busy(1, most: 2));
        Assert.Equal(2, queue.Count);
    }

    private static async Task<long> NextAsync(VerificationQueue queue) => (await queue.NextAsync(CancellationToken.None)).Task.Object;

    private static VerificationTask Of(long id, int turn) => new(id, ObjectKey.Parse($"nar/{new string('0', 52)}.nar.zst"), default, 1, [], [], false, "p", 0,
        turn, false);
}
