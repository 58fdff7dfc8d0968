using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;
using OrleansCache.Core.Store;
using OrleansCache.Core.Store.S3;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Testing;

namespace OrleansCache.Gateway.Tests.Hosting;

/// <summary>What a server finds out about a real bucket after it has refused a write, through a proxy that refuses as asked.</summary>
public sealed class StoreWatchTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly ObjectKey Key = ObjectKey.Parse("0.narinfo");
    private static readonly byte[] Body = [1, 2, 3];

    private readonly TimerClock _time = new();
    private readonly Lines _log = new();
    private ObjectBucket _bucket = null!;
    private S3Proxy _proxy = null!;
    private S3ObjectStore _store = null!;
    private StoreCheck _check = null!;
    private StoreWatch _watch = null!;

    public async Task InitializeAsync()
    {
        if (CephServer.MissingReason is not null)
            return;
        var server = await CephServer.Shared;
        _bucket = await ObjectBucket.CreateAsync();
        _proxy = new S3Proxy(server.Endpoint);
        _store = new S3ObjectStore(new S3Options
        {
            Endpoint = _proxy.Url,
            Region = server.Region,
            AccessKey = server.AccessKey,
            SecretKey = server.SecretKey,
            Bucket = _bucket.Name
        });
        _check = new StoreCheck(_store, new S3Settings { Bucket = _bucket.Name, Endpoint = _proxy.Url });
        await _check.AtStartAsync(_log, default);
        _watch = new StoreWatch(_check, _store, _log, _time);
    }

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        if (CephServer.MissingReason is not null)
            return;
        await _watch.DisposeAsync();
        _store.Dispose();
        await _proxy.DisposeAsync();
        _bucket.Dispose();
    }

    [S3Fact]
    public async Task A_refused_write_leads_to_a_question_and_the_trouble_ends_when_the_store_is_well_again()
    {
        Assert.Null(_check.Trouble);
        _proxy.Answer = Refuse("PUT", 403, "AccessDenied");

        await Assert.ThrowsAsync<ObjectStoreException>(PutAsync);

        await Eventually.BecomesTrueAsync(() => Task.FromResult(_check.Trouble is not null));
        Assert.Contains($"bucket {_bucket.Name} at {_proxy.Url.Authority} refuses what pushes need", _check.Trouble,
            StringComparison.Ordinal);
        Assert.Contains("AccessDenied", _check.Trouble, StringComparison.Ordinal);

        _proxy.Answer = static _ => null;
        await UntilAsync(() => _check.Trouble is null);
        Assert.Contains(_log.All, line => line.Contains("does again what pushes need", StringComparison.Ordinal));
        Assert.DoesNotContain(await _bucket.KeysAsync(), key => key.Contains("probe", StringComparison.Ordinal));
    }

    [S3Fact]
    public async Task However_much_is_refused_it_asks_once_a_minute()
    {
        _proxy.Answer = Refuse("PUT", 507, "QuotaExceeded");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Assert.ThrowsAsync<ObjectStoreException>(PutAsync)));
        await Eventually.BecomesTrueAsync(() => Task.FromResult(_check.Trouble is not null));
        await Assert.ThrowsAsync<ObjectStoreException>(PutAsync);
        await _watch.FindDoubtsAsync(default);
        Assert.Equal(2, Questions); // With the start's.

        _proxy.Answer = static _ => null;
        await UntilAsync(() => _check.Trouble is null);
        Assert.Equal(3, Questions);
    }

    [S3Fact]
    public async Task Refused_deletions_become_a_doubt_that_an_operator_who_asks_sees_go()
    {
        _proxy.Answer = request => Refuse("POST", 403, "AccessDenied")(request) ?? Refuse("DELETE", 403, "AccessDenied")(request);
        Assert.Equal([FencedOutcome.Refused], await DeleteAsync());
        await Eventually.BecomesTrueAsync(() => Task.FromResult(_check.Doubts.Count == 1));
        Assert.Contains("it refuses deletions (AccessDenied)", _check.Doubts[0], StringComparison.Ordinal);
        Assert.Null(_check.Trouble);

        _proxy.Answer = static _ => null;
        Assert.Single(await _watch.FindDoubtsAsync(default)); // Not a minute ago.
        _time.Move(TimeSpan.FromMinutes(1));
        Assert.Empty(await _watch.FindDoubtsAsync(default));
        Assert.Contains(_log.All, line => line.Contains("no longer so: it refuses deletions", StringComparison.Ordinal));
    }

    [S3Fact]
    public async Task What_the_store_has_unlearned_is_done_another_way_from_then_on()
    {
        _proxy.Answer = Refuse("POST", 501, "NotImplemented");
        Assert.Equal([FencedOutcome.Refused], await DeleteAsync());

        await Eventually.BecomesTrueAsync(async () => (await DeleteAsync())[0] == FencedOutcome.Done);

        // The probe switches first and tells the log at its end.
        await Eventually.BecomesTrueAsync(() => Task.FromResult(
            _log.All.Any(static line => line.Contains("They are deleted one by one", StringComparison.Ordinal))));
        Assert.Empty(_check.Doubts);
    }

    [S3Fact]
    public async Task A_retention_that_somebody_has_set_is_found_and_from_then_on_nothing_is_tried()
    {
        _proxy.Answer = request => request.HttpMethod == "PUT" && request.Headers["Content-MD5"] is null
            ? S3Proxy.Error(400, "MissingContentMD5") : null;
        await Assert.ThrowsAsync<ObjectStoreException>(PutNewAsync);

        await Eventually.BecomesTrueAsync(() => Task.FromResult(_check.Doubts.Count == 1));
        Assert.Contains("Object Lock", _check.Doubts[0], StringComparison.Ordinal);
        await PutNewAsync();
        _proxy.Requests.Clear();
        _proxy.Answer = Refuse("PUT", 403, "AccessDenied");
        await Assert.ThrowsAsync<ObjectStoreException>(PutAsync);
        await _check.AgainAsync(_log, default);
        Assert.DoesNotContain(_proxy.Requests, request => request.Contains("store-probe", StringComparison.Ordinal));
    }

    // Each asks for that once.
    private int Questions => _proxy.Requests.Count(request => request.Contains("object-lock", StringComparison.Ordinal));

    private static Func<HttpListenerRequest, (int Status, string Body)?> Refuse(string method, int status, string code) => request =>
        request.HttpMethod == method ? S3Proxy.Error(status, code) : null;

    private Task PutAsync() => _store.PutAsync(Key, Body, KeyHeaders.For(Key), DateTimeOffset.UtcNow.AddSeconds(30), default);

    private Task PutNewAsync() => _store.PutNewAsync(ObjectKey.Parse($"nar/{Guid.NewGuid():n}"), Body, default);

    private async Task<FencedOutcome[]> DeleteAsync() =>
        [.. await _store.DeleteAsync([Key], DateTimeOffset.UtcNow.AddSeconds(30), default)];

    /// <summary>Minutes pass until it is so.</summary>
    private Task UntilAsync(Func<bool> isSo) => Eventually.BecomesTrueAsync(() =>
    {
        if (isSo())
            return Task.FromResult(true);
        _time.Move(TimeSpan.FromMinutes(1));
        return Task.FromResult(isSo());
    });

    private sealed class Lines : ILogger
    {
        public ConcurrentQueue<string> All { get; } = new();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => All.Enqueue(formatter(state, exception));
    }
}
