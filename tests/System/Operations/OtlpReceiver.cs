using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OrleansCache.Operations.Tests;

/// <summary>Takes what is exported over OTLP/HTTP, and reads as much of it as the tests ask about.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Span> _spans = new();
    private readonly ConcurrentQueue<byte[]> _metrics = new(), _logs = new(), _all = new();

    private OtlpReceiver(WebApplication app) => _app = app;

    public string Endpoint => _app.Urls.Single();

    public IReadOnlyCollection<Span> Spans => _spans;

    /// <summary>All bytes that arrived, as text: what must not be in them is not.</summary>
    public string Everything => string.Join('\n', _all.Select(Encoding.Latin1.GetString));

    public string Metrics => string.Join('\n', _metrics.Select(Encoding.Latin1.GetString));

    public string Logs => string.Join('\n', _logs.Select(Encoding.Latin1.GetString));

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        var receiver = new OtlpReceiver(app);
        app.MapPost("/v1/traces", (RequestDelegate)(http => receiver.ReceiveAsync(http, body =>
        {
            foreach (var span in Span.ReadAll(body))
                receiver._spans.Enqueue(span);
        })));
        app.MapPost("/v1/metrics", (RequestDelegate)(http => receiver.ReceiveAsync(http, receiver._metrics.Enqueue)));
        app.MapPost("/v1/logs", (RequestDelegate)(http => receiver.ReceiveAsync(http, receiver._logs.Enqueue)));
        await app.StartAsync();
        return receiver;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task ReceiveAsync(HttpContext http, Action<byte[]> take)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        _all.Enqueue(body.ToArray());
        take(body.ToArray());
        http.Response.ContentType = "application/x-protobuf";
    }
}

/// <summary>One span of an ExportTraceServiceRequest, as opentelemetry-proto numbers its fields.</summary>
internal sealed record Span(string Trace, string Id, string Parent, string Name, string Service, string Scope,
    IReadOnlyDictionary<string, string> Attributes)
{
    public static IEnumerable<Span> ReadAll(byte[] request)
    {
        foreach (var resource in Fields(request).Where(f => f.Number == 1))
        {
            var service = Fields(resource.Bytes).Where(f => f.Number == 1).SelectMany(r => AttributesOf(r.Bytes, 1))
                .First(a => a.Key == "service.name").Value;
            foreach (var scope in Fields(resource.Bytes).Where(f => f.Number == 2))
            {
                var scopeName = Text(Fields(scope.Bytes).Single(f => f.Number == 1).Bytes, 1);
                foreach (var (_, span) in Fields(scope.Bytes).Where(f => f.Number == 2))
                    yield return new Span(Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5), service, scopeName, AttributesOf(span, 9)
                        .ToDictionary());
            }
        }
    }

    private static IEnumerable<KeyValuePair<string, string>> AttributesOf(byte[] message, int number) =>
        Fields(message).Where(f => f.Number == number)
            .Select(f => KeyValuePair.Create(Text(f.Bytes, 1), Text(Fields(f.Bytes).FirstOrDefault(v => v.Number == 2).Bytes ?? [], 1)));

    private static string Hex(byte[] message, int number) =>
        Convert.ToHexStringLower(Fields(message).FirstOrDefault(f => f.Number == number).Bytes ?? []);

    private static string Text(byte[] message, int number) =>
        Encoding.UTF8.GetString(Fields(message).FirstOrDefault(f => f.Number == number).Bytes ?? []);

    // The fields that have bytes; numbers are passed over.
    private static IEnumerable<(int Number, byte[] Bytes)> Fields(byte[] message)
    {
        for (var at = 0; at < message.Length;)
        {
            var tag = Varint(message, ref at);
            switch (tag & 7)
            {
                case 0: Varint(message, ref at); break;
                case 1: at += 8; break;
                case 5: at += 4; break;
                default:
                    var length = (int)Varint(message, ref at);
                    yield return ((int)(tag >> 3), message[at..(at + length)]);
                    at += length;
                    break;
            }
        }
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var part = message[at++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
    }
}
