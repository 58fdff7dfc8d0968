using OrleansCache.Testing;

namespace OrleansCache.Operations.Tests;

/// <summary><c>/metrics</c> of a running server.</summary>
public class MetricsTests
{
    // Told by a silo alone; ClusterTests of the silo look for it.
    private const string OnlyInSilos = "orleans_cache_silos";

    [Fact]
    public async Task Every_metric_that_alerts_and_dashboard_use_is_served_with_its_labels()
    {
        await using var server = await RunningServer.StartAsync();
        await HttpPush.RunAsync(server.Client, "measured");
        await CollectAsync(server);
        var served = new List<string>();

        // The numbers of the catalog are read once a minute.
        await Eventually.BecomesTrueAsync(
            async () => (served = await server.MetricsAsync())
                .Exists(l => l.StartsWith("orleans_cache_gc_last_success_timestamp_seconds", StringComparison.Ordinal)),
            TimeSpan.FromSeconds(100), () => string.Join('\n', served));

        foreach (var (name, row) in Listed().Where(l => l.Name != OnlyInSilos))
        {
            var isHistogram = row.Contains("| histogram |", StringComparison.Ordinal);
            var series = served.Where(l => l.StartsWith(isHistogram ? name + "_bucket{" : name + "{", StringComparison.Ordinal)).ToList();
            Assert.True(series.Count > 0, $"{name} is not served");
            Assert.All(series, line => Assert.Equal(Labels(row), LabelsOf(line).Where(l => l != "le").Order()));
        }
    }

    [Fact]
    public async Task A_push_and_a_collection_are_counted()
    {
        await using var server = await RunningServer.StartAsync();
        await HttpPush.RunAsync(server.Client, "counted");
        await CollectAsync(server);

        var served = await server.MetricsAsync();

        Assert.Contains("orleans_cache_pushes_opened_total{} 1", served);
        Assert.Contains("orleans_cache_pushes_total{outcome=\"committed\"} 1", served);
        Assert.Contains("orleans_cache_pushes_total{outcome=\"failed\"} 0", served);
        Assert.Contains("orleans_cache_paths_published_total{} 1", served);
        Assert.Contains("orleans_cache_claims_total{outcome=\"upload\"} 1", served);
        Assert.Contains("orleans_cache_gc_runs_total{outcome=\"succeeded\"} 1", served);
        Assert.Contains("orleans_cache_ready{} 1", served);
        Assert.Contains(served, l => l.StartsWith("orleans_cache_uploaded_bytes_total{} ", StringComparison.Ordinal)
            && !l.EndsWith(" 0", StringComparison.Ordinal));
        Assert.Contains(served, l => l.StartsWith("orleans_cache_store_requests_total{operation=\"put\",outcome=\"ok\"}",
            StringComparison.Ordinal) && !l.EndsWith(" 0", StringComparison.Ordinal));
        Assert.Contains(served, l => l.StartsWith("orleans_cache_gc_phase_duration_seconds_count{phase=\"marking\"} 1",
            StringComparison.Ordinal));
        Assert.Contains(served, l => l.StartsWith("http_server_request_duration_seconds_count{", StringComparison.Ordinal)
            && l.Contains("http_route=\"/v1/caches/{cache}/pushes/{push}/commit\"", StringComparison.Ordinal));
        Assert.Contains(served, l => l.StartsWith("orleans_cache_database_connections{state=\"idle\"} ", StringComparison.Ordinal)
            && !l.EndsWith(" 0", StringComparison.Ordinal));
        // Nor is anything told of where the database is.
        Assert.DoesNotContain(served, l => l.Contains("Host=", StringComparison.Ordinal)
            || l.Contains("Username", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_label_grows_with_what_is_asked_for()
    {
        await using var server = await RunningServer.StartAsync();
        var before = await SeriesAsync(server);
        for (var i = 0; i < 50; i++)
            (await server.Client.GetAsync(new Uri($"/{new string('0', 32)[..30]}{i:00}.narinfo", UriKind.Relative))).Dispose();
        for (var i = 0; i < 50; i++)
            (await server.Client.GetAsync(new Uri($"/no/such/{i}?token={i}", UriKind.Relative))).Dispose();

        var more = (await SeriesAsync(server)).Except(before).Where(s => !s.Contains("le=", StringComparison.Ordinal)).ToList();

        // Of each kind of answer one sum, one count, and what the runtime has begun to tell meanwhile.
        Assert.True(more.Count < 40, string.Join('\n', more));
        Assert.DoesNotContain(more, s => s.Contains("0000", StringComparison.Ordinal) || s.Contains("such", StringComparison.Ordinal));
    }

    private static async Task CollectAsync(RunningServer server)
    {
        using var started = await server.Client.PostAsync(new Uri("/v1/caches/default/gc", UriKind.Relative),
            new StringContent("{}", System.Text.Encoding.UTF8, "application/json"));
        Assert.True(started.IsSuccessStatusCode, await started.Content.ReadAsStringAsync());
        await Eventually.BecomesTrueAsync(
            async () => (await server.MetricsAsync()).Contains("orleans_cache_gc_runs_total{outcome=\"succeeded\"} 1"), describe: () =>
                "the end of the collection");
    }

    private static async Task<HashSet<string>> SeriesAsync(RunningServer server) =>
        [.. (await server.MetricsAsync()).Select(l => l[..l.LastIndexOf(' ')])];

    private static List<(string Name, string Row)> Listed() =>
    [
        .. File.ReadLines(Path.Combine(Repository.Root, "k8s", "README.md"))
            .Where(l => l.StartsWith("| `orleans_cache_", StringComparison.Ordinal)).Select(l => (l.Split('`')[1], l)),
    ];

    // The third column: `name`, or `name`: its values.
    private static IEnumerable<string> Labels(string row) => row.Split('|')[3].Split('`').Where((_, i) => i % 2 == 1).Order();

    private static IEnumerable<string> LabelsOf(string line) =>
        line[(line.IndexOf('{', StringComparison.Ordinal) + 1)..line.IndexOf('}', StringComparison.Ordinal)]
            .Split(',', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=')[0]);
}
