using OrleansCache.Cli.Http;
using OrleansCache.Cli.Import;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Tests.Fake;
using Xunit;

namespace OrleansCache.Cli.Tests.Import;

/// <summary>Another cache, a server that can be told to misbehave, and an import from the one to the other.</summary>
public abstract class ImportFixture : IAsyncLifetime, IDisposable
{
    private protected readonly FakeSource _source = new();
    private protected readonly List<string> _notes = [];
    private protected FakeCache _cache = null!;

    public async Task InitializeAsync() => _cache = await FakeCache.StartAsync();

    public async Task DisposeAsync() => await _cache.DisposeAsync();

    public void Dispose()
    {
        _source.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected async Task<ImportResult> ImportAsync(ImportOptions? options = null, SourceTrust? trust = null, int groups = 4000,
        ISource? source = null)
    {
        var retry = new RetryPolicy { Delay = (_, _) => Task.CompletedTask };
        using var http = Connections.Open(64);
        var importer = new Importer(source ?? _source, trust ?? new SourceTrust([FakeSource.Key.PublicKey]),
            new Api(http, _cache.Url, "default", (string?)null, retry), new UploadClient(http, retry),
            new PushOptions { Jobs = 3, Uploads = 8 }, options ?? new ImportOptions(), _ => { }, note =>
            {
                lock (_notes)
                    _notes.Add(note);
            }, TimeProvider.System)
        {
            Group = (graph, wanted) => new PushGroups(graph, wanted) { MaxPaths = groups },
        };
        return await importer.RunAsync(CancellationToken.None);
    }

    private protected void AssertLive(params string[] names)
    {
        Assert.Empty(_cache.Complaints);
        Assert.Equal(names.Order(), _cache.Live.Values.Select(path => path.Path.Name).Order());
        foreach (var path in _cache.Live.Values)
            Assert.True(_cache.Nars.ContainsKey(path.NarHash));
    }

    private protected static string Hash(string name) => FakeSource.PathOf(name).Hash.ToString();
}
