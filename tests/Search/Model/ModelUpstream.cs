using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Upstreams;
using OrleansCache.Nix;

namespace OrleansCache.Model.Tests;

/// <summary>A cache that has some paths of the universe, as one builder has built them, and loses and gets them.</summary>
internal sealed class ModelUpstream(Universe universe, IReadOnlyList<string> names) : HttpMessageHandler
{
    private static readonly SecretKey Key = SecretKey.Generate("upstream-1");
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _has = names.ToDictionary(n => n, _ => 0);
    private readonly HashSet<StorePathHash> _had = [.. names.Select(Universe.Hash)];

    /// <summary>What it has, or had once.</summary>
    public bool Had(StorePathHash path)
    {
        lock (_lock)
            return _had.Contains(path);
    }

    /// <summary>It loses the path, or has it from now on as this builder has built it.</summary>
    public void Turn(string name, int builder)
    {
        lock (_lock)
        {
            if (_has.Remove(name))
                return;
            _has.Add(name, builder);
            _had.Add(Universe.Hash(name));
        }
    }

    /// <summary>As the services of one request see it.</summary>
    public UpstreamPaths Open(CatalogDatabase database, TimeProvider time)
    {
        var options = new UpstreamOptions
        {
            Upstreams = [Upstream.TryParse($"http://upstream.invalid {Key.PublicKey}", out var upstream, out _) ? upstream
                : throw new FormatException()],
        };
        // It answers at once, so its patience is no pause of the schedule.
        var reader = new UpstreamReader(options, TimeProvider.System, NullLogger.Instance, this);
        return new UpstreamPaths(new UpstreamCatalog(database), reader, options,
            time, NullLogger.Instance);
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var hash = StorePathHash.Parse(request.RequestUri!.AbsolutePath.Trim('/').Split('.')[0]);
        string? text = null;
        lock (_lock)
        {
            if (universe.Paths.FirstOrDefault(n => Universe.Hash(n) == hash) is { } name && _has.TryGetValue(name, out var builder))
                text = Info(name, builder);
        }

        return Task.FromResult(text is null ? new HttpResponseMessage(HttpStatusCode.NotFound)
            : new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(text) });
    }

    private string Info(string name, int builder)
    {
        var path = universe.Closure(name, builder, null).Paths[^1];
        var info = new NarInfo
        {
            StorePath = path.Path,
            Url = "nar/any.nar.xz",
            Compression = "xz",
            NarHash = path.NarHash,
            NarSize = path.NarSize,
            References = universe.Sorted(path.References),
        };
        return (info with { Signatures = [Key.Sign(info.Fingerprint())] }).Print();
    }
}

/// <summary>The upstream loses a path, or gets one.</summary>
internal sealed record UpstreamOperation(int Id, string Path, int Builder) : Operation(Id)
{
    public override Task RunAsync(Session session)
    {
        session.Upstream?.Turn(Path, Builder);
        return Task.CompletedTask;
    }
}
