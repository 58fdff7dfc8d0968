using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// The most that clients may ask for. The defaults are far above what an honest fleet does; <c>docs/server.md</c> says what happens beyond
/// each.
/// </summary>
public sealed record RequestLimits
{
    /// <summary>Requests of one HTTP/2 connection at one time: few, as it is connections that are bounded.</summary>
    public const int StreamsPerConnection = 16;

    /// <summary>The largest JSON body, in bytes after decompression.</summary>
    public long JsonBytes { get; init; } = 128 << 20;

    /// <summary>Memory in bytes for all bodies that are kept whole, of all requests together: JSON, listings, logs, narinfos.</summary>
    public long BodyBytes { get; init; } = 128 << 20;

    /// <summary>Paths of one push, or of one question about paths.</summary>
    public int Paths { get; init; } = 100_000;

    /// <summary>References of one path; of a push a hundred times as many.</summary>
    public int References { get; init; } = 20_000;

    /// <summary>All headers of a request together, in bytes.</summary>
    public int HeaderBytes { get; init; } = 32 << 10;

    public int HeaderCount { get; init; } = 100;

    /// <summary>The first line of a request: method, path and query, in bytes.</summary>
    public int UrlBytes { get; init; } = 8 << 10;

    /// <summary>
    /// Open connections; one more is closed at once. One of HTTP/2 has up to <see cref="StreamsPerConnection"/> requests at one time.
    /// </summary>
    public int Connections { get; init; } = 10_000;

    /// <summary>Requests per second of one credential, on average; 0: any number.</summary>
    public int RequestRate { get; init; } = 5_000;

    /// <summary>Requests of one credential that may come at once after a pause.</summary>
    public int RequestBurst { get; init; } = 20_000;

    /// <summary>Requests with an unknown token from one address in ten seconds; 0: any number.</summary>
    public int FailedLogins { get; init; } = 200;

    /// <summary>Uploads whose bodies are read at one time; the others wait, unread.</summary>
    public int Uploads { get; init; } = 512;

    /// <summary>Of those, the most of one credential or, where the URL is the credential, of one push.</summary>
    public int UploadsPerClient { get; init; } = 256;

    /// <summary>
    /// Bytes per second. A body that arrives, or an answer that is taken, more slowly than this for <see cref="Stall"/> is cut off.
    /// </summary>
    public int SlowestBytesPerSecond { get; init; } = 240;

    /// <summary>How long a client may send or take nothing, in a body, an answer or the headers of a request; at least 2 s.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Applies the limits that the web server itself enforces.</summary>
    internal void ApplyTo(KestrelServerLimits kestrel)
    {
        kestrel.MaxRequestBodySize = JsonBytes;
        kestrel.MaxRequestHeadersTotalSize = HeaderBytes;
        kestrel.MaxRequestHeaderCount = HeaderCount;
        kestrel.MaxRequestLineSize = UrlBytes;
        kestrel.MaxConcurrentConnections = Connections;
        kestrel.RequestHeadersTimeout = Stall;
        // A slow client stays; a stalled one goes.
        kestrel.MinRequestBodyDataRate = new MinDataRate(SlowestBytesPerSecond, Stall);
        kestrel.MinResponseDataRate = new MinDataRate(SlowestBytesPerSecond, Stall);
        // Large uploads arrive in large pieces. The buffer must also fit the first line and the headers.
        kestrel.MaxRequestBufferSize = Math.Max(2 << 20, Math.Max(HeaderBytes, UrlBytes));
        kestrel.MaxResponseBufferSize = 1 << 20;
        kestrel.Http2.MaxStreamsPerConnection = StreamsPerConnection;
        // The same for HTTP/2: all streams of a connection share the buffer.
        kestrel.Http2.MaxRequestHeaderFieldSize = HeaderBytes;
        kestrel.Http2.InitialConnectionWindowSize = 2 << 20;
        kestrel.Http2.InitialStreamWindowSize = 1 << 20;
    }
}
