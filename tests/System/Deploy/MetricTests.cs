using System.Text.Json;
using System.Text.RegularExpressions;
using k8s.Models;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>
/// Alerts and dashboard ask for the metrics that <c>k8s/README.md</c> lists, by their labels and values, and for all of them.
/// </summary>
public partial class MetricTests
{
    [ManifestFact]
    public void Alerts_and_dashboard_use_the_listed_metrics_and_no_others()
    {
        var listed = Listed();

        var used = Expressions().SelectMany(e => MetricName().Matches(e).Select(m => BaseName(m.Value, listed))).ToHashSet();

        Assert.Equal(listed.Keys.Order(), used.Order());
    }

    [ManifestFact]
    public void Each_label_that_is_asked_for_is_listed_with_its_value()
    {
        var listed = Listed();

        foreach (var selector in Expressions().SelectMany(e => Selector().Matches(e)))
        {
            var row = listed[BaseName(selector.Groups["metric"].Value, listed)];
            foreach (Match matcher in Matcher().Matches(selector.Groups["matchers"].Value))
            {
                var (label, values) = (matcher.Groups["label"].Value, matcher.Groups["values"].Value);
                if (label == "job")
                    continue;
                Assert.Contains($"`{label}`", row);
                Assert.All(values.Split('|'), value => Assert.Matches($@"\b{Regex.Escape(value)}\b", row));
            }
        }
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void The_job_that_alerts_name_is_the_one_that_is_scraped(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var job = manifests.Service.Metadata.Labels[manifests.Single<ServiceMonitor>().Spec.JobLabel];

        Assert.All(
            Expressions().SelectMany(e => JobMatcher().Matches(e)),
            m => Assert.Equal(job, m.Groups["job"].Value));
        Assert.All(Expressions(), e => Assert.Matches(JobMatcher(), e));
    }

    private static List<string> Expressions()
    {
        var manifests = Manifests.Overlay("production");
        var dashboard = manifests.All<V1ConfigMap>().Single(m => m.Metadata.Labels.ContainsKey("grafana_dashboard"));
        using var json = JsonDocument.Parse(Assert.Single(dashboard.Data).Value);
        return
        [
            .. manifests.Single<PrometheusRule>().Spec.Groups.SelectMany(g => g.Rules).Select(r => r.Expr),
            .. json.RootElement.GetProperty("panels").EnumerateArray().SelectMany(p => p.GetProperty("targets").EnumerateArray())
                .Select(t => t.GetProperty("expr").GetString()!),
        ];
    }

    // Name to row of the README's table.
    private static Dictionary<string, string> Listed() =>
        File.ReadLines(Path.Combine(Repository.Root, "k8s", "README.md"))
            .Where(l => l.StartsWith("| `orleans_cache_", StringComparison.Ordinal))
            .ToDictionary(l => l.Split('`')[1]);

    // A histogram is read through the series that it consists of.
    private static string BaseName(string name, Dictionary<string, string> listed) =>
        HistogramSeries().Match(name) is { Success: true } m && listed.TryGetValue(m.Groups["name"].Value, out var row)
            && row.Contains("| histogram |", StringComparison.Ordinal)
            ? m.Groups["name"].Value
            : name;

    [GeneratedRegex(@"\borleans_cache_\w+")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"^(?<name>\w+)_(bucket|count|sum)$")]
    private static partial Regex HistogramSeries();

    [GeneratedRegex(@"(?<metric>orleans_cache_\w+)\{(?<matchers>[^}]*)\}")]
    private static partial Regex Selector();

    [GeneratedRegex("""(?<label>\w+)\s*(=~|!~|!=|=)\s*"(?<values>[^"]*)""")]
    private static partial Regex Matcher();

    [GeneratedRegex("""job="(?<job>[^"]*)""")]
    private static partial Regex JobMatcher();
}
