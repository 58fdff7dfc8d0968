using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests.Helm;

/// <summary>The chart and the overlays are the same objects.</summary>
public sealed partial class HelmTests
{
    [HelmTheory]
    [InlineData("production")]
    [InlineData("remote-region", "remote-region.yaml")]
    public void The_chart_is_the_overlay(string overlay, params string[] values)
    {
        var chart = Objects(Manifests.Of(HelmChart.Render(values)));
        var kustomize = Objects(Manifests.Overlay(overlay));

        Assert.Equal(kustomize.Keys.Order(StringComparer.Ordinal), chart.Keys.Order(StringComparer.Ordinal));
        Assert.All(kustomize, o => Assert.Equal(o.Value, chart[o.Key]));
    }

    [Theory]
    [InlineData("alerts.yaml")]
    [InlineData("dashboard.json")]
    public void What_the_chart_has_a_copy_of_is_the_same_file(string file) =>
        Assert.Equal(File.ReadAllText(Path.Combine(Repository.Root, "k8s", "components", "monitoring", file)),
            File.ReadAllText(Path.Combine(Repository.Root, "helm", "orleans-cache", "files", file)));

    /// <summary>All but the namespace, by kind and name, without what each tool adds in its own way.</summary>
    private static Dictionary<string, string> Objects(Manifests manifests) => manifests.Objects.Where(o => o is not V1Namespace)
        .ToDictionary(
            o => $"{o.Kind} {Hash().Replace(o.Metadata.Name, "")}",
            o => Normal(JsonNode.Parse(KubernetesJson.Serialize((object)o))!.AsObject()));

    private static string Normal(JsonObject o)
    {
        var metadata = o["metadata"]!.AsObject();
        metadata.Remove("namespace");
        Without(metadata, "labels", name => name == "app.kubernetes.io/part-of");
        Without(metadata, "annotations", name => name.StartsWith("helm.sh/", StringComparison.Ordinal));
        if (o["spec"]?["template"]?["metadata"] is JsonObject template)
            Without(template, "annotations", name => name == "checksum/settings");
        return Hash().Replace(Sorted(o)!.ToJsonString(), "");
    }

    private static void Without(JsonObject metadata, string map, Func<string, bool> isLeftOut)
    {
        if (metadata[map] is not JsonObject members)
            return;
        foreach (var name in members.Select(member => member.Key).Where(isLeftOut).ToList())
            members.Remove(name);
        if (members.Count == 0)
            metadata.Remove(map);
    }

    /// <summary>Members by name, and lists of named things too: their order says nothing.</summary>
    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(
            members.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, Sorted(m.Value)))),
        JsonArray list when list.All(item => item is JsonObject o && o.ContainsKey("name")) =>
            new JsonArray([.. list.OrderBy(item => (string)item!["name"]!, StringComparer.Ordinal).Select(Sorted)]),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => node?.DeepClone(),
    };

    // Kustomize names a ConfigMap by its contents, in letters of its own.
    [GeneratedRegex("(?<=orleans-cache)-[2456789bcdfghkmt]{10}(?=$|\")")]
    private static partial Regex Hash();
}

/// <summary>A test of the rendered chart and overlays; skipped, with the reason, where one cannot be rendered.</summary>
public sealed class HelmTheoryAttribute : TheoryAttribute
{
    public HelmTheoryAttribute() => Skip = HelmChart.MissingReason ?? ManifestFactAttribute.ReasonToSkip;
}
