using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary>What goes to an OpenTelemetry collector, and what does not.</summary>
public class OtlpTests
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Parent = $"00-{Trace}-b7ad6b7169203331-01";

    [Fact]
    public async Task One_push_is_one_trace_from_its_requests_to_the_database_and_the_store_and_holds_no_secret()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        string token;
        await using (var server = await RunningServer.StartAsync(Variables(receiver, ("OTEL_SERVICE_NAME", "a-cache"))))
        {
            await HttpPush.RunAsync(server.Client, "traced", traceparent: Parent);
            await server.Client.GetAsync(new Uri("/readyz?probe", UriKind.Relative));
            token = server.Token;
        }

        var spans = receiver.Spans.Where(s => s.Trace == Trace).ToList();
        var told = string.Join('\n', receiver.Spans);
        var byId = spans.ToDictionary(s => s.Id);
        var commit = Assert.Single(spans, s => s.Attributes.GetValueOrDefault("http.route") == "/v1/caches/{cache}/pushes/{push}/commit");
        Assert.Equal("b7ad6b7169203331", commit.Parent);
        Assert.Contains(spans, s => s.Attributes.GetValueOrDefault("http.route")?.EndsWith("/pushes", StringComparison.Ordinal) == true);
        Assert.Contains(spans, s => s.Attributes.GetValueOrDefault("http.route") == "/upload/{**key}");
        Assert.Contains(spans, s => s.Scope == "Npgsql" && IsUnder(s, commit));
        Assert.Contains(spans, s => s.Name == "store put" && IsUnder(s, commit));
        Assert.All(receiver.Spans, s => Assert.Equal("a-cache", s.Service));
        Assert.DoesNotContain("readyz", told, StringComparison.Ordinal);
        Assert.DoesNotContain("url.query", told, StringComparison.Ordinal);
        Assert.DoesNotContain(token, receiver.Everything, StringComparison.Ordinal);
        Assert.DoesNotContain("signature=", receiver.Everything, StringComparison.OrdinalIgnoreCase);

        bool IsUnder(Span? span, Span ancestor) => span is not null
            && (span.Parent == ancestor.Id || IsUnder(byId.GetValueOrDefault(span.Parent), ancestor));
    }

    [Fact]
    public async Task Metrics_and_logs_are_exported_too()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        await using var server = await RunningServer.StartAsync(Variables(receiver, ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "100")));
        await HttpPush.RunAsync(server.Client, "measured");
        await RunCollectionAsync(server);

        await Eventually.BecomesTrueAsync(() => receiver.Metrics.Contains("orleans_cache.pushes", StringComparison.Ordinal),
            describe: () => "metrics");
        await Eventually.BecomesTrueAsync(() => receiver.Logs.Contains("garbage collection", StringComparison.Ordinal), describe: () =>
            "the log line of the collection");
    }

    [Theory]
    [InlineData("OTEL_TRACES_EXPORTER", "none")]
    [InlineData("OTEL_SDK_DISABLED", "true")]
    public async Task A_signal_that_is_switched_off_is_not_exported(string variable, string value)
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        await using (var server = await RunningServer.StartAsync(Variables(receiver, (variable, value))))
            await HttpPush.RunAsync(server.Client, "untraced", traceparent: Parent);

        Assert.Empty(receiver.Spans);
        Assert.Equal(value == "true", receiver.Metrics.Length == 0);
    }

    [Fact]
    public async Task Without_the_variables_nothing_is_sent()
    {
        await using var server = await RunningServer.StartAsync(new Dictionary<string, string?> { ["OTEL_SERVICE_NAME"] = "a-cache" });
        await HttpPush.RunAsync(server.Client, "untraced", traceparent: Parent);

        // Nobody was looked for at the collector's usual ports.
        Assert.Equal("", server.Process.Errors);
        Assert.Contains(await server.MetricsAsync(), l => l.StartsWith("orleans_cache_pushes_total", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Each_line_of_a_JSON_log_is_a_JSON_document()
    {
        await using var server = await RunningServer.StartAsync("--log", "json");
        await RunCollectionAsync(server);
        await Eventually.BecomesTrueAsync(() => server.Process.Errors.Contains("garbage collection", StringComparison.Ordinal),
            describe: () => server.Process.Errors);

        foreach (var line in server.Process.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var parsed = System.Text.Json.JsonDocument.Parse(line);
            Assert.True(parsed.RootElement.TryGetProperty("Message", out _));
        }
    }

    private static async Task RunCollectionAsync(RunningServer server)
    {
        using var started = await server.Client.PostAsync(new Uri("/v1/caches/default/gc", UriKind.Relative),
            new StringContent("{}", System.Text.Encoding.UTF8, "application/json"));
        Assert.True(started.IsSuccessStatusCode, await started.Content.ReadAsStringAsync());
    }

    private static Dictionary<string, string?> Variables(OtlpReceiver receiver, params (string Name, string Value)[] more)
    {
        var all = new Dictionary<string, string?>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.Endpoint,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100"
        };
        foreach (var (name, value) in more)
            all[name] = value;
        return all;
    }
}
