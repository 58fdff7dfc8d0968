using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>The objects of an overlay, read with every field known: a misspelt one is an error.</summary>
internal sealed class Manifests
{
    private static readonly Dictionary<string, Type> CustomKinds = new()
    {
        ["monitoring.coreos.com/v1/ServiceMonitor"] = typeof(ServiceMonitor),
        ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
        ["cert-manager.io/v1/Issuer"] = typeof(Issuer),
        ["cert-manager.io/v1/Certificate"] = typeof(Certificate),
    };

    private static readonly ConcurrentDictionary<string, Lazy<Manifests>> Rendered = new();

    private Manifests(string yaml) => Objects = [.. KubernetesYaml.LoadAllFromString(yaml, CustomKinds, strict: true)
        .Cast<IKubernetesObject<V1ObjectMeta>>()];

    public IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Objects { get; }

    /// <summary>The pods that it starts, with their labels, by the name of the Deployment or Job.</summary>
    public IReadOnlyList<(string Owner, V1PodTemplateSpec Template)> Pods =>
        [.. All<V1Deployment>().Select(d => (d.Metadata.Name, d.Spec.Template)), .. All<V1Job>()
            .Select(j => (j.Metadata.Name, j.Spec.Template))];

    public IEnumerable<(V1PodTemplateSpec Pod, V1Container Container)> Containers =>
        Pods.SelectMany(p => p.Template.Spec.Containers.Concat(p.Template.Spec.InitContainers ?? []), (p, container) =>
            (p.Template, container));

    /// <summary>Of <c>k8s/overlays</c>.</summary>
    public static Manifests Overlay(string name) =>
        Rendered.GetOrAdd(name, static n => new(() => new Manifests(Kubectl.Render($"k8s/overlays/{n}")))).Value;

    /// <summary>Of other YAML, such as a rendered chart.</summary>
    public static Manifests Of(string yaml) => new(yaml);

    /// <summary>The Secrets that whoever installs it has to make.</summary>
    public static IReadOnlyList<V1Secret> ExampleSecrets() =>
        [.. new Manifests(File.ReadAllText(Path.Combine(Repository.Root, "k8s", "secrets.example.yaml"))).All<V1Secret>()];

    /// <summary>The one that leads to the servers.</summary>
    public V1Service Service => Assert.Single(All<V1Service>(), s => s.Spec.Selector is not null);

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    public T Single<T>() => Assert.Single(All<T>());

    /// <summary>Whether a selector's labels are all there; an empty selector takes everything.</summary>
    public static bool Selects(V1LabelSelector selector, IDictionary<string, string> labels)
    {
        Assert.Empty(selector.MatchExpressions ?? []);
        return (selector.MatchLabels ?? new Dictionary<string, string>()).All(wanted => labels.TryGetValue(wanted.Key, out var value)
            && value == wanted.Value);
    }

    /// <summary>
    /// What the container's environment will be, as far as the manifests say it: a secret's value is that of the examples.
    /// </summary>
    public Dictionary<string, string> Environment(V1Container container)
    {
        var environment = new Dictionary<string, string>();
        foreach (var source in container.EnvFrom ?? [])
            foreach (var (name, value) in All<V1ConfigMap>().Single(m => m.Metadata.Name == source.ConfigMapRef.Name).Data)
                environment[name] = value;
        foreach (var variable in container.Env ?? [])
            environment[variable.Name] = variable switch
            {
                { Value: { } value } => value,
                { ValueFrom.SecretKeyRef: { } secret } => ExampleSecrets()
                    .Single(s => s.Metadata.Name == secret.Name).StringData[secret.Key],
                { ValueFrom.ConfigMapKeyRef: { } map } => All<V1ConfigMap>().Single(m => m.Metadata.Name == map.Name).Data[map.Key],
                { ValueFrom.FieldRef.FieldPath: "status.podIP" } => "10.1.2.3",
                _ => throw new InvalidOperationException($"{variable.Name} has a source that this test does not know."),
            };
        return environment;
    }
}
