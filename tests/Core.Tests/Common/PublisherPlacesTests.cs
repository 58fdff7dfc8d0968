using OrleansCache.Core.Common;
using Xunit;

namespace OrleansCache.Core.Tests.Common;

public sealed class PublisherPlacesTests
{
    [Fact]
    public async Task One_publisher_gets_half_of_the_places_of_all_caches_and_all_together_no_more_than_there_are()
    {
        using var places = PublisherPlaces.ForBodies();
        using var gone = new CancellationTokenSource();
        var first = await TakeAsync("token:1", 8);
        var waits = places.TakeAsync("token:1", gone.Token);
        var second = await TakeAsync("token:2", 8);
        var third = places.TakeAsync("token:3", CancellationToken.None);
        await Task.Delay(100);
        Assert.False(waits.IsCompleted || third.IsCompleted);

        // Who goes while it waits leaves its place to others.
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
        second[0].Dispose();

        using (await third.WaitAsync(TimeSpan.FromSeconds(10)))
        using (var fourth = new CancellationTokenSource())
        {
            var queued = places.TakeAsync("token:2", fourth.Token);
            await fourth.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queued);
        }

        first[0].Dispose();
        (await places.TakeAsync("token:1", CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10))).Dispose();
        (await places.TakeAsync("token:2", CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10))).Dispose();

        async Task<IDisposable[]> TakeAsync(string publisher, int count) => await Task.WhenAll(Enumerable.Range(0, count)
            .Select(_ => places.TakeAsync(publisher, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(10))));
    }
}
