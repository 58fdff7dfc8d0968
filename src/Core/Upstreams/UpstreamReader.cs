using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Microsoft.Extensions.Logging;
using OrleansCache.Nix;

namespace OrleansCache.Core.Upstreams;

/// <summary>What an upstream says of a path.</summary>
internal enum UpstreamAnswer
{
    /// <summary>It has the path, by a narinfo with a valid signature.</summary>
    Found,

    /// <summary>It has no such path, or none that one of its keys has signed.</summary>
    Absent,

    /// <summary>It did not answer, or is left alone as it has not answered lately.</summary>
    Unknown,
}

/// <summary>
/// Reads narinfos of upstreams. A narinfo counts only with a signature by a key of that upstream, whoever sent it. An upstream that is slow
/// or away costs a push a few seconds, and no more for half a minute.
/// </summary>
internal sealed partial class UpstreamReader : IDisposable
{
    private const int AtOnce = 64;
    private const int MaxBytes = 4 << 20;
    private const int MaxAbsent = 200_000;
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(5);

    private readonly HttpClient _http;
    private readonly UpstreamOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    // What no upstream has, and since when. Emptied when it is full: then it is asked once more.
    private readonly ConcurrentDictionary<StorePathHash, long> _absent = new();
    // Until when each is left alone, by its place in the options.
    private readonly DateTimeOffset[] _rests;

    public UpstreamReader(UpstreamOptions options, TimeProvider time, ILogger logger, HttpMessageHandler? handler = null)
    {
        (_options, _time, _logger) = (options, time, logger);
        _rests = new DateTimeOffset[options.Upstreams.Count];
        _http = new HttpClient(handler ?? new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            MaxConnectionsPerServer = AtOnce,
            ConnectTimeout = AnswerPatience,
            MaxAutomaticRedirections = 3,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxBytes,
        };
    }

    /// <summary>The paths of these that an upstream has, each with its place in the options, as far as they answer in time.</summary>
    public async Task<List<(int Upstream, NarInfo Info)>> FindAsync(IEnumerable<StorePathHash> paths, CancellationToken cancellationToken)
    {
        var found = new ConcurrentBag<(int, NarInfo)>();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = _time.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), patience, _options.Patience,
            Timeout.InfiniteTimeSpan);
        try
        {
            await Parallel.ForEachAsync(paths.Where(p => !IsAbsent(p)), new ParallelOptions
            {
                MaxDegreeOfParallelism = AtOnce,
                CancellationToken = patience.Token,
            }, async (path, stop) =>
            {
                if (await FindAsync(path, stop) is { } there)
                    found.Add(there);
            });
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // What is not known is uploaded.
        }

        return [.. found];
    }

    /// <summary>Asks the upstream of this URL for a path of this name.</summary>
    public async Task<UpstreamAnswer> LookAsync(string url, StorePath path, CancellationToken cancellationToken)
    {
        for (var i = 0; i < _options.Upstreams.Count; i++)
        {
            if (UrlOf(i) == url)
            {
                var (answer, info) = await AskAsync(i, path.Hash, cancellationToken);
                return answer == UpstreamAnswer.Found && info!.StorePath != path ? UpstreamAnswer.Absent : answer;
            }
        }

        // It is no upstream of this cache any more: nobody vouches for the path.
        return UpstreamAnswer.Absent;
    }

    public string UrlOf(int upstream) => _options.Upstreams[upstream].Url.AbsoluteUri.TrimEnd('/');

    public void Dispose() => _http.Dispose();

    private async Task<(int, NarInfo)?> FindAsync(StorePathHash path, CancellationToken cancellationToken)
    {
        var isKnown = true;
        for (var i = 0; i < _options.Upstreams.Count; i++)
        {
            var (answer, info) = await AskAsync(i, path, cancellationToken);
            if (answer == UpstreamAnswer.Found)
                return (i, info!);
            isKnown &= answer == UpstreamAnswer.Absent;
        }

        if (isKnown)
        {
            if (_absent.Count >= MaxAbsent)
                _absent.Clear();
            _absent[path] = _time.GetTimestamp();
        }

        return null;
    }

    private bool IsAbsent(StorePathHash path) => _absent.TryGetValue(path, out var since)
        && _time.GetElapsedTime(since) < _options.AbsentLife;

    private async Task<(UpstreamAnswer, NarInfo?)> AskAsync(int index, StorePathHash path, CancellationToken cancellationToken)
    {
        if (_time.GetUtcNow() < _rests[index])
            return (UpstreamAnswer.Unknown, null);
        var upstream = _options.Upstreams[index];
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(AnswerPatience);
        try
        {
            using var answer = await _http.GetAsync(new Uri(upstream.Url, $"{path}.narinfo"), patience.Token);
            // S3 says 403 of what is not there to whoever may not list.
            if (answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Forbidden or HttpStatusCode.Gone)
                return (UpstreamAnswer.Absent, null);
            if (!answer.IsSuccessStatusCode)
                return Rest(index, upstream, $"it answered {(int)answer.StatusCode}");
            var text = await answer.Content.ReadAsStringAsync(patience.Token);
            return IsOf(upstream, path, text, out var info) ? (UpstreamAnswer.Found, info) : (UpstreamAnswer.Absent, null);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Rest(index, upstream, $"it has not answered for {AnswerPatience.TotalSeconds:0} s");
        }
        catch (HttpRequestException e)
        {
            return Rest(index, upstream, e.Message);
        }
    }

    private static bool IsOf(Upstream upstream, StorePathHash path, string text, [NotNullWhen(true)] out NarInfo? info) =>
        NarInfo.TryParse(text, out info, out _) && info.StorePath.Hash == path && upstream.Keys.Any(info.Verify);

    private (UpstreamAnswer, NarInfo?) Rest(int index, Upstream upstream, string why)
    {
        _rests[index] = _time.GetUtcNow() + _options.Rest;
        LogSilent(upstream.Url, why, _options.Rest.TotalSeconds);
        return (UpstreamAnswer.Unknown, null);
    }

    [LoggerMessage(LogLevel.Warning, "upstream {Url} is not asked for {Seconds} s, and what pushes bring is stored here meanwhile: {Why}")]
    private partial void LogSilent(Uri url, string why, double seconds);
}
