using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// What clients may ask for at most. The defaults are far above what an honest fleet does; <c>docs/server.md</c> says what happens beyond
/// each.
/// </summary>
public sealed record RequestLimits
{
    /// <summary>The largest JSON body, in bytes after decompression.</summary>
    public long JsonBytes { get; init; } = 128 << 20;

    /// <summary>Memory for the bodies of all requests together that are kept whole: JSON, listings, logs, narinfos. Bytes.</summary>
    public long BodyBytes { get; init; } = 128 << 20;

    /// <summary>Paths of one push, or of one question about paths.</summary>
    public int Paths { get; init; } = 100_000;

    /// <summary>All headers of a request together, in bytes.</summary>
    public int HeaderBytes { get; init; } = 32 << 10;

    public int HeaderCount { get; init; } = 100;

    /// <summary>The first line of a request: method, path and query, in bytes.</summary>
    public int UrlBytes { get; init; } = 8 << 10;

    /// <summary>Connections at one time; one more is closed at once.</summary>
    public int Connections { get; init; } = 10_000;

    /// <summary>Requests per second of one credential, over time; 0: any number.</summary>
    public int RequestRate { get; init; } = 5_000;

    /// <summary>Requests of one credential that may come at once after a pause.</summary>
    public int RequestBurst { get; init; } = 20_000;

    /// <summary>Requests with a token that is not known, of one address in ten seconds; 0: any number.</summary>
    public int FailedLogins { get; init; } = 200;

    /// <summary>Bodies of uploads that are taken at one time; the others wait their turn, unread.</summary>
    public int Uploads { get; init; } = 512;

    /// <summary>Of those, the most of one credential or, where the URL is the credential, of one push.</summary>
    public int UploadsPerClient { get; init; } = 256;

    /// <summary>
    /// A body that comes, or an answer that is taken, more slowly than this for <see cref="Stall"/> is cut off. Bytes per second.
    /// </summary>
    public int SlowestBytesPerSecond { get; init; } = 240;

    /// <summary>
    /// How long a client may stand still, at least 2 s: in the middle of a body or an answer, and with the headers of a request.
    /// </summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Those that the web server itself keeps.</summary>
    internal void ApplyTo(KestrelServerLimits kestrel)
    {
        kestrel.MaxRequestBodySize = JsonBytes;
        kestrel.MaxRequestHeadersTotalSize = HeaderBytes;
        kestrel.MaxRequestHeaderCount = HeaderCount;
        kestrel.MaxRequestLineSize = UrlBytes;
        kestrel.MaxConcurrentConnections = Connections;
        kestrel.RequestHeadersTimeout = Stall;
        // A slow client stays, one that has stopped goes.
        kestrel.MinRequestBodyDataRate = new MinDataRate(SlowestBytesPerSecond, Stall);
        kestrel.MinResponseDataRate = new MinDataRate(SlowestBytesPerSecond, Stall);
        // Large uploads arrive in large pieces. No smaller than a first line or the headers, which have to fit.
        kestrel.MaxRequestBufferSize = Math.Max(2 << 20, Math.Max(HeaderBytes, UrlBytes));
        kestrel.MaxResponseBufferSize = 1 << 20;
    }
}
