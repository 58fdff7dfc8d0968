using k8s.Models;

namespace OrleansCache.Deploy.Tests;

/// <summary>What an API server would accept and then not do as meant: names, labels and ports that do not meet.</summary>
public class ManifestTests
{
    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Every_object_has_known_fields_one_name_and_the_namespace(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);

        Assert.All(manifests.Objects.Where(o => o is not V1Namespace), o => Assert.Equal("orleans-cache", o.Metadata.NamespaceProperty));
        Assert.Equal(manifests.Objects.Count, manifests.Objects.Select(o => (o.Kind, o.Metadata.Name)).Distinct().Count());
        Assert.Empty(manifests.All<V1Secret>());
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Probes_ask_what_the_server_answers_on_a_port_that_it_has(string overlay)
    {
        var container = Assert.Single(Manifests.Overlay(overlay).Single<V1Deployment>().Spec.Template.Spec.Containers);

        var probes = new[] { (container.StartupProbe, "/livez"), (container.LivenessProbe, "/livez"),
            (container.ReadinessProbe, "/readyz") };

        Assert.All(probes, p =>
        {
            Assert.Equal(p.Item2, p.Item1.HttpGet.Path);
            Assert.Single(container.Ports, port => port.Name == p.Item1.HttpGet.Port.Value);
        });
        // The server itself waits up to 3 s before it answers /readyz.
        Assert.InRange(container.ReadinessProbe.TimeoutSeconds ?? 1, 4, 30);
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Containers_may_do_nothing_but_their_work(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);

        Assert.All(manifests.Pods, p =>
        {
            Assert.True(p.Template.Spec.SecurityContext.RunAsNonRoot);
            Assert.True(p.Template.Spec.SecurityContext.RunAsUser > 0);
            Assert.Equal("RuntimeDefault", p.Template.Spec.SecurityContext.SeccompProfile.Type);
            Assert.False(p.Template.Spec.AutomountServiceAccountToken);
        });
        Assert.All(manifests.Containers, c =>
        {
            Assert.False(c.Container.SecurityContext.AllowPrivilegeEscalation);
            Assert.True(c.Container.SecurityContext.ReadOnlyRootFilesystem);
            Assert.Equal(["ALL"], c.Container.SecurityContext.Capabilities.Drop);
            Assert.Empty(c.Container.SecurityContext.Capabilities.Add ?? []);
            // The runtime keeps small files there.
            Assert.Contains(c.Container.VolumeMounts, m => m.MountPath == "/tmp"
                && c.Pod.Spec.Volumes.Single(v => v.Name == m.Name).EmptyDir is not null);
        });
        Assert.All(manifests.All<V1ServiceAccount>(), a => Assert.False(a.AutomountServiceAccountToken));
        Assert.Equal("restricted", manifests.Single<V1Namespace>().Metadata.Labels["pod-security.kubernetes.io/enforce"]);
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Containers_ask_for_processor_and_memory_and_are_limited(string overlay) =>
        Assert.All(Manifests.Overlay(overlay).Containers, c =>
    {
        foreach (var resource in new[] { "cpu", "memory" })
            Assert.InRange(c.Container.Resources.Requests[resource].ToDecimal(), 0.001m, c.Container.Resources.Limits[resource]
                .ToDecimal());
    });

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void A_rollout_starts_a_pod_before_it_stops_one_and_lets_it_drain(string overlay)
    {
        var deployment = Manifests.Overlay(overlay).Single<V1Deployment>().Spec;

        Assert.Equal(("RollingUpdate", "0", "1"), (deployment.Strategy.Type, deployment.Strategy.RollingUpdate.MaxUnavailable.Value,
            deployment.Strategy.RollingUpdate.MaxSurge.Value));
        Assert.Null(deployment.Replicas);
        // The server drains for 30 s after the pause in which proxies forget it.
        var pause = deployment.Template.Spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds;
        Assert.True(deployment.Template.Spec.TerminationGracePeriodSeconds >= pause + 30 + 10);
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Selectors_find_what_they_are_meant_for(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var deployment = manifests.Single<V1Deployment>();
        var pod = deployment.Spec.Template;
        var labels = pod.Metadata.Labels;
        var service = manifests.Service;
        var monitor = manifests.Single<ServiceMonitor>();

        Assert.True(Manifests.Selects(deployment.Spec.Selector, labels));
        Assert.True(Manifests.Selects(manifests.Single<V1PodDisruptionBudget>().Spec.Selector, labels));
        Assert.True(Manifests.Selects(new V1LabelSelector { MatchLabels = service.Spec.Selector }, labels));
        Assert.All(pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, a =>
            Assert.True(Manifests.Selects(a.PodAffinityTerm.LabelSelector, labels)));
        Assert.Contains(pod.Spec.TopologySpreadConstraints, s => s.TopologyKey == "topology.kubernetes.io/zone"
            && Manifests.Selects(s.LabelSelector, labels));
        Assert.All(service.Spec.Ports, p => Assert.Contains(pod.Spec.Containers[0].Ports, c => c.Name == p.TargetPort.Value));
        // Nobody else's pods: the Job must not get requests, nor count for the budget.
        Assert.All(manifests.Pods.Where(p => p.Owner != deployment.Metadata.Name), p =>
        {
            Assert.False(Manifests.Selects(deployment.Spec.Selector, p.Template.Metadata.Labels));
            Assert.False(Manifests.Selects(new V1LabelSelector { MatchLabels = service.Spec.Selector }, p.Template.Metadata.Labels));
        });

        Assert.True(Manifests.Selects(monitor.Spec.Selector, service.Metadata.Labels));
        Assert.All(monitor.Spec.Endpoints, e => Assert.Contains(service.Spec.Ports, p => p.Name == e.Port));

        var scaled = manifests.Single<V2HorizontalPodAutoscaler>().Spec;
        Assert.Equal(("Deployment", deployment.Metadata.Name), (scaled.ScaleTargetRef.Kind, scaled.ScaleTargetRef.Name));
        Assert.InRange(scaled.MinReplicas ?? 1, 2, scaled.MaxReplicas);

        var backends = manifests.Single<V1Ingress>().Spec.Rules.SelectMany(r => r.Http.Paths).Select(p => p.Backend.Service);
        Assert.All(backends, b =>
        {
            var led = Assert.Single(manifests.All<V1Service>(), s => s.Metadata.Name == b.Name);
            Assert.Contains(led.Spec.Ports, p => p.Name == b.Port.Name);
        });
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Everything_that_is_referred_to_is_there(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var configMaps = manifests.All<V1ConfigMap>().ToDictionary(m => m.Metadata.Name, m => m.Data.Keys);
        var secrets = Manifests.ExampleSecrets().ToDictionary(s => s.Metadata.Name, s => (ICollection<string>)s.StringData.Keys);
        var ingress = manifests.Single<V1Ingress>();
        foreach (var certificate in manifests.All<Certificate>())
        {
            secrets[certificate.Spec.SecretName] = ["tls.crt", "tls.key", "ca.crt"];
            Assert.Contains(manifests.All<Issuer>(), i => i.Metadata.Name == certificate.Spec.IssuerRef.Name);
        }

        Assert.All(manifests.All<Issuer>().Where(i => i.Spec.Ca is not null), i => Assert.Contains(i.Spec.Ca!.SecretName, secrets));
        // cert-manager makes the Secrets of an Ingress that asks for it.
        Assert.Contains("cert-manager.io/cluster-issuer", ingress.Metadata.Annotations);
        Assert.All(ingress.Spec.Tls, t => Assert.All(ingress.Spec.Rules, r => Assert.Contains(r.Host, t.Hosts)));

        foreach (var (owner, template) in manifests.Pods)
        {
            if (template.Spec.ServiceAccountName is { } account)
                Assert.Contains(manifests.All<V1ServiceAccount>(), a => a.Metadata.Name == account);
            foreach (var volume in template.Spec.Volumes.Where(v => v.EmptyDir is null))
            {
                Assert.True(volume.Secret is not null, $"{owner}: volume {volume.Name} has a source that this test does not know");
                var keys = secrets[volume.Secret.SecretName];
                Assert.All(volume.Secret.Items ?? [], i => Assert.Contains(i.Key, keys));
            }
        }

        foreach (var (pod, container) in manifests.Containers)
        {
            Assert.All(container.EnvFrom ?? [], e => Assert.Contains(e.ConfigMapRef.Name, configMaps));
            Assert.All((container.Env ?? []).Select(e => e.ValueFrom?.SecretKeyRef).OfType<V1SecretKeySelector>(), r =>
                Assert.Contains(r.Key, secrets[r.Name]));
            Assert.All(container.VolumeMounts, m => Assert.Contains(pod.Spec.Volumes, v => v.Name == m.Name));
            Assert.All(pod.Spec.Volumes, v => Assert.Contains(container.VolumeMounts, m => m.Name == v.Name));
        }
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Everything_but_the_metrics_goes_through_the_ingress_to_the_servers(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var scraped = Assert.Single(manifests.Single<ServiceMonitor>().Spec.Endpoints).Path;

        Assert.All(manifests.Single<V1Ingress>().Spec.Rules, r =>
        {
            Assert.All(r.Http.Paths, p => Assert.Equal("Prefix", p.PathType));
            Assert.Equal(manifests.Service.Metadata.Name, Assert.Single(r.Http.Paths, p => p.Path == "/").Backend.Service.Name);
            var refused = Assert.Single(r.Http.Paths, p => p.Path != "/");
            Assert.Equal(scraped, refused.Path);
            Assert.Null(Assert.Single(manifests.All<V1Service>(), s => s.Metadata.Name == refused.Backend.Service.Name).Spec.Selector);
        });
        Assert.False(Manifests.Selects(manifests.Single<ServiceMonitor>().Spec.Selector, manifests.All<V1Service>()
            .Single(s => s.Spec.Selector is null).Metadata.Labels));
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Readers_of_the_address_come_to_the_ingress(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var settings = manifests.Environment(manifests.Single<V1Deployment>().Spec.Template.Spec.Containers[0]);

        Assert.Equal(manifests.Single<V1Ingress>().Spec.Rules[0].Host, new Uri(settings["ORLEANS_CACHE_PUBLIC_URL"]).Host);
    }
}
