using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>Small NARs, many in one request.</summary>
public sealed class BatchTests : PusherFixture
{
    [Fact]
    public async Task Small_nars_go_many_in_one_request_and_large_ones_alone()
    {
        Batches(600);
        _store.Add("large", 500_000, noise: true);

        await PushAsync();

        AssertAllArrived();
        Assert.Single(_cache.Requests, request => request.StartsWith("PUT", StringComparison.Ordinal));
        Assert.InRange(_cache.Requests.Count(IsBatch), 3, 6);
        Assert.Equal(_store.Paths.Count, _cache.Listings.Count);
    }

    [Fact]
    public async Task Small_nars_fit_into_the_memory_of_one_batch()
    {
        Batches(300);

        await PushAsync(change: options => options with { Memory = 100_000 });

        AssertAllArrived();
    }

    [Fact]
    public async Task A_batch_whose_answer_was_lost_has_arrived()
    {
        Batches(100);
        var lost = 0;
        _cache.Misbehave = context =>
        {
            if (IsBatch($"POST {context.Request.Path}") && Interlocked.Increment(ref lost) == 1)
                context.Response.OnStarting(() => Drop(context));
            return Task.FromResult(false);
        };

        await PushAsync();

        AssertAllArrived();
        Assert.DoesNotContain(_cache.Requests, request => request.StartsWith("PUT", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nars_of_a_batch_whose_urls_have_expired_are_sent_alone_with_fresh_ones()
    {
        Batches(20);
        _cache.Misbehave = First(1, request => IsBatch($"{request.Method} {request.Path}"), _ =>
        {
            _cache.UrlGeneration++;
            return Status(_, 503);
        });

        await PushAsync();

        AssertAllArrived();
        Assert.Equal(20, _cache.Requests.Count(request => request.EndsWith("/urls", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(413)]
    [InlineData(404)]
    public async Task Where_batches_are_refused_each_nar_is_sent_alone(int status)
    {
        Batches(600);
        _cache.Misbehave = First(int.MaxValue, request => IsBatch($"{request.Method} {request.Path}"), context => Status(context, status));

        await PushAsync();

        AssertAllArrived();
        Assert.Equal(600, _cache.Requests.Count(request => request.StartsWith("PUT", StringComparison.Ordinal)));
    }

    private static bool IsBatch(string request) => request.StartsWith("POST", StringComparison.Ordinal)
        && request.EndsWith("/default/uploads", StringComparison.Ordinal);

    private void Batches(int nars)
    {
        (_cache.TakesBatches, _cache.WantsMd5) = (true, false);
        for (var i = 0; i < nars; i++)
            _store.Add($"small{i}", 100 + i);
    }
}
