using Microsoft.AspNetCore.Http;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Terminal;
using OrleansCache.Cli.Tests.Fake;
using Xunit;

namespace OrleansCache.Cli.Tests;

/// <summary>A store of paths, a server that can be told to misbehave, and a push from the one to the other over real connections.</summary>
public abstract class PusherFixture : IAsyncLifetime, IDisposable
{
    private protected readonly FakeStore _store = new();
    private protected readonly List<string> _notes = [];
    private protected FakeCache _cache = null!;

    public async Task InitializeAsync() => _cache = await FakeCache.StartAsync("/a/prefix");

    public async Task DisposeAsync() => await _cache.DisposeAsync();

    public void Dispose()
    {
        _store.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected async Task<PushResult> PushAsync(LocalClosure? closure = null, Func<PushOptions, PushOptions>? change = null,
        string? token = null, CancellationToken cancellationToken = default)
    {
        var retry = new RetryPolicy { Delay = (_, _) => Task.CompletedTask };
        using var http = Connections.Open(64);
        var options = new PushOptions { Jobs = 3, StoreDir = _store.Folder, Uploads = 8 };
        var progress = new PushProgress { Note = note => _notes.Add(note) };
        var pusher = new Pusher(new Api(http, _cache.Url, "default", token, retry), new UploadClient(http, retry), change?.Invoke(options)
            ?? options, progress, TimeProvider.System);
        return await pusher.RunAsync(closure ?? _store.Closure, cancellationToken);
    }

    private protected void AssertAllArrived()
    {
        Assert.Empty(_cache.Complaints);
        Assert.Equal(_store.Paths.Keys.Order(), _cache.Live.Keys.Order());
        foreach (var info in _store.Paths.Values)
            Assert.Equal(_store.Nar(info), _cache.Nars[info.NarHash]);
    }

    /// <summary>Fails the first so many requests that fit.</summary>
    private protected static Func<HttpContext, Task<bool>> First(int times, Func<HttpRequest, bool> fits, Func<HttpContext, Task> fail)
    {
        var left = times;
        return async context =>
        {
            if (!fits(context.Request) || Interlocked.Decrement(ref left) < 0)
                return false;
            await fail(context);
            return true;
        };
    }

    private protected static Task Status(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }

    private protected static Task Drop(HttpContext context)
    {
        context.Abort();
        return Task.CompletedTask;
    }
}
