using System.Diagnostics;
using System.Diagnostics.Metrics;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Operations;

/// <summary>
/// Times each request by kind, from its headers to the last byte of its answer. Asks clients of a stopping server to connect elsewhere.
/// </summary>
internal sealed class RequestMetrics(RequestDelegate next, Drain drain)
{
    public static readonly string[] Kinds = ["v1", "wait", "read", "upload", "other"];

    private static readonly Meter Meter = new(Telemetry.Name);
    private static readonly Histogram<double> Durations = Meter.CreateHistogram(
        "orleans_cache.http_request.duration", "s", "From the first byte of a request to the last of its answer", null,
        Telemetry.Durations);

    public async Task InvokeAsync(HttpContext http)
    {
        // HTTP/2 has no such header; there the web server itself asks clients to leave.
        if (drain.HasBegun && !HttpProtocol.IsHttp2(http.Request.Protocol))
            http.Response.OnStarting(static response =>
                { ((HttpResponse)response).Headers.Connection = "close"; return Task.CompletedTask; }, http.Response);
        var started = Stopwatch.GetTimestamp();
        try
        {
            await next(http);
        }
        finally
        {
            Durations.Record(
                Stopwatch.GetElapsedTime(started).TotalSeconds, new("kind", KindOf(http.GetEndpoint())),
                new KeyValuePair<string, object?>("code", CodeOf(http)));
        }
    }

    private static string KindOf(Endpoint? endpoint) => endpoint is not RouteEndpoint route ? "other"
        : route.Metadata.GetMetadata<WaitsByDesign>() is not null ? "wait"
        : route.Metadata.GetMetadata<AccessMetadata>()?.Access switch
        {
            Access.SignedUrl => "upload",
            Access.Read => "read",
            _ => route.RoutePattern.RawText?.TrimStart('/').StartsWith("v1/", StringComparison.Ordinal) == true ? "v1" : "other",
        };

    // A client that went away got no answer: it counts as a bad request.
    private static string CodeOf(HttpContext http) => http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted ? "4xx"
        : http.Response.StatusCode switch
        {
            < 300 => "2xx",
            < 400 => "3xx",
            < 500 => "4xx",
            _ => "5xx",
        };
}

/// <summary>Marks a route whose requests last as long as the client asks: their durations say nothing about the server.</summary>
internal sealed class WaitsByDesign
{
    public static WaitsByDesign Instance { get; } = new();
}
