using k8s.Models;

namespace OrleansCache.Deploy.Tests;

/// <summary>Who may reach what. Policies add up: what no rule allows is refused, as long as some policy is about the pod at all.</summary>
public class NetworkPolicyTests
{
    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Each_pod_is_closed_both_ways_but_for_what_is_named(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);

        Assert.All(manifests.Pods, p =>
        {
            var policies = manifests.All<V1NetworkPolicy>()
                .Where(n => Manifests.Selects(n.Spec.PodSelector, p.Template.Metadata.Labels)).ToList();
            Assert.NotEmpty(policies);
            Assert.All(policies, n => Assert.Equal(["Ingress", "Egress"], n.Spec.PolicyTypes));
        });
        // Each is about some pod, and no rule opens all ports.
        Assert.All(manifests.All<V1NetworkPolicy>(), n =>
        {
            Assert.Contains(manifests.Pods, p => Manifests.Selects(n.Spec.PodSelector, p.Template.Metadata.Labels));
            Assert.All(n.Spec.Ingress ?? [], r => Assert.NotEmpty(r.Ports));
            Assert.All(n.Spec.Egress ?? [], r => Assert.NotEmpty(r.Ports));
        });
    }

    [ManifestFact]
    public void Only_silos_reach_the_silo_port()
    {
        var manifests = Manifests.Overlay("production");
        var silos = manifests.Single<V1Deployment>().Spec.Template;
        var port = Assert.Single(silos.Spec.Containers[0].Ports, p => p.Name == "silo");

        var peers = PeersOf(manifests, silos, port);

        // Without a namespaceSelector: pods of this namespace.
        Assert.All(Assert.Single(peers), peer =>
        {
            Assert.Null(peer.NamespaceSelector);
            Assert.Null(peer.IpBlock);
            Assert.True(Manifests.Selects(peer.PodSelector, silos.Metadata.Labels));
            Assert.All(manifests.Pods.Where(p => p.Template != silos), p =>
                Assert.False(Manifests.Selects(peer.PodSelector, p.Template.Metadata.Labels)));
        });
        Assert.Contains(
            EgressOf(manifests, silos).Where(r => r.Ports.Any(p => p.Port.Value == $"{port.ContainerPort}")),
            r => r.To.All(peer => peer.NamespaceSelector is null && Manifests.Selects(peer.PodSelector, silos.Metadata.Labels)));
        Assert.DoesNotContain(manifests.Service.Spec.Ports, p => p.TargetPort.Value is "silo"
            || p.TargetPort.Value == $"{port.ContainerPort}");
        Assert.Equal($"{port.ContainerPort}", manifests.Environment(silos.Spec.Containers[0])["ORLEANS_CACHE_SILO_PORT"]);
    }

    [ManifestFact]
    public void A_remote_region_has_no_silo_and_no_port_for_one()
    {
        var manifests = Manifests.Overlay("remote-region");

        Assert.All(manifests.Containers, c =>
        {
            Assert.Equal("http", Assert.Single(c.Container.Ports).Name);
            Assert.DoesNotContain(manifests.Environment(c.Container).Keys, k =>
                k.StartsWith("ORLEANS_CACHE_SILO", StringComparison.Ordinal));
        });
        Assert.Empty(manifests.All<V1Job>());
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Requests_come_from_the_ingress_controller_and_from_Prometheus(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var pod = manifests.Single<V1Deployment>().Spec.Template;

        var peers = PeersOf(manifests, pod, pod.Spec.Containers[0].Ports.Single(p => p.Name == "http"));

        Assert.Equal(["ingress-nginx", "monitoring"], Assert.Single(peers)
            .Select(p => p.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]).Order());
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void A_server_reaches_names_the_database_and_the_bucket(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);

        var ports = EgressOf(manifests, manifests.Single<V1Deployment>().Spec.Template).SelectMany(r => r.Ports)
            .Select(p => (p.Protocol, p.Port.Value)).ToHashSet();

        Assert.Superset(new HashSet<(string, string)> { ("UDP", "53"), ("TCP", "53"), ("TCP", "5432"), ("TCP", "443") }, ports);
    }

    /// <summary>The peers of each rule that opens a port of a pod.</summary>
    private static List<IList<V1NetworkPolicyPeer>> PeersOf(Manifests manifests, V1PodTemplateSpec pod, V1ContainerPort port) =>
        [.. manifests.All<V1NetworkPolicy>()
            .Where(n => Manifests.Selects(n.Spec.PodSelector, pod.Metadata.Labels))
            .SelectMany(n => n.Spec.Ingress ?? [])
            .Where(r => r.Ports.Any(p => p.Port.Value == port.Name || p.Port.Value == $"{port.ContainerPort}"))
            .Select(r => r.FromProperty)];

    private static IEnumerable<V1NetworkPolicyEgressRule> EgressOf(Manifests manifests, V1PodTemplateSpec pod) =>
        manifests.All<V1NetworkPolicy>().Where(n => Manifests.Selects(n.Spec.PodSelector, pod.Metadata.Labels))
            .SelectMany(n => n.Spec.Egress ?? []);
}
