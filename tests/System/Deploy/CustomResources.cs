using k8s;
using k8s.Models;

namespace OrleansCache.Deploy.Tests;

// What we use of the kinds that cert-manager and the Prometheus operator define. A field that is not here is an error when manifests are
// read.

internal sealed class ServiceMonitor : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public V1ObjectMeta Metadata { get; set; } = new();
    public ServiceMonitorSpec Spec { get; set; } = new();
}

internal sealed class ServiceMonitorSpec
{
    public string JobLabel { get; set; } = "";
    public V1LabelSelector Selector { get; set; } = new();
    public List<ServiceMonitorEndpoint> Endpoints { get; set; } = [];
}

internal sealed class ServiceMonitorEndpoint
{
    public string Port { get; set; } = "";
    public string Path { get; set; } = "";
    public string Interval { get; set; } = "";
}

internal sealed class PrometheusRule : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public V1ObjectMeta Metadata { get; set; } = new();
    public PrometheusRuleSpec Spec { get; set; } = new();
}

internal sealed class PrometheusRuleSpec
{
    public List<AlertGroup> Groups { get; set; } = [];
}

internal sealed class AlertGroup
{
    public string Name { get; set; } = "";
    public List<AlertRule> Rules { get; set; } = [];
}

internal sealed class AlertRule
{
    public string Alert { get; set; } = "";
    public string Expr { get; set; } = "";
    public string? For { get; set; }
    public Dictionary<string, string> Labels { get; set; } = [];
    public Dictionary<string, string> Annotations { get; set; } = [];
}

internal sealed class Issuer : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public V1ObjectMeta Metadata { get; set; } = new();
    public IssuerSpec Spec { get; set; } = new();
}

internal sealed class IssuerSpec
{
    public Dictionary<string, string>? SelfSigned { get; set; }
    public CertificateAuthority? Ca { get; set; }
}

internal sealed class CertificateAuthority
{
    public string SecretName { get; set; } = "";
}

internal sealed class Certificate : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public V1ObjectMeta Metadata { get; set; } = new();
    public CertificateSpec Spec { get; set; } = new();
}

internal sealed class CertificateSpec
{
    public bool IsCA { get; set; }
    public string CommonName { get; set; } = "";
    public List<string> DnsNames { get; set; } = [];
    public List<string> Usages { get; set; } = [];
    public string SecretName { get; set; } = "";
    public string Duration { get; set; } = "";
    public string? RenewBefore { get; set; }
    public CertificateKey PrivateKey { get; set; } = new();
    public IssuerReference IssuerRef { get; set; } = new();
}

internal sealed class CertificateKey
{
    public string Algorithm { get; set; } = "";
    public int Size { get; set; }
    public string? RotationPolicy { get; set; }
}

internal sealed class IssuerReference
{
    public string Name { get; set; } = "";
    public string Kind { get; set; } = "";
}
