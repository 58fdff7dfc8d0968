using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using k8s.Models;
using OrleansCache.Gateway.Hosting;
using OrleansCache.Nix;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>The programs understand what the manifests tell them.</summary>
public class SettingsTests
{
    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Each_variable_and_argument_names_an_option_of_the_program(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var known = new CommandLine().Root.Options.Select(o => o.Name).ToList();
        var variables = known.Select(o => CommandLine.VariableOf(o[2..])).ToList();

        Assert.All(manifests.Containers, c =>
        {
            // The image's own, unless it says so.
            Assert.Equal("/usr/local/bin/orleans-cache-server", c.Container.Command?[0] ?? "/usr/local/bin/orleans-cache-server");
            Assert.Null(c.Container.Args);
            Assert.All(c.Container.Command?.Skip(1) ?? [], argument => Assert.Contains(argument, known));
            Assert.All(manifests.Environment(c.Container).Keys, variable => Assert.Contains(variable, variables));
        });
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void The_server_starts_with_these_settings_without_a_data_directory(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);
        var pod = manifests.Single<V1Deployment>().Spec.Template.Spec;
        var environment = manifests.Environment(pod.Containers[0]);
        using var mounts = new TempFolder();
        WriteSecrets(pod, mounts);
        var line = new CommandLine();

        var settings = line.Settings(line.Root.Parse([]), name => name == "ORLEANS_CACHE_SILO_ADDRESS"
            ? environment.ContainsKey(name) ? "127.0.0.1" : null // the pod's, which is not this machine's
            : environment.GetValueOrDefault(name)?.Replace("/etc/orleans-cache", mounts["etc/orleans-cache"], StringComparison.Ordinal));

        Assert.False(settings.NeedsDataDirectory);
        Assert.Equal("cache.example.org-1", Assert.Single(settings.SigningKeys!).Name);
        Assert.Equal(("an-access-key", "a-secret-key"), (settings.S3!.AccessKey, settings.S3.SecretKey));
        Assert.Equal(("an-upload-access-key", "an-upload-secret-key"), (settings.S3.UploadAccessKey, settings.S3.UploadSecretKey));
        Assert.True(File.Exists(settings.TokenFile));
        Assert.Equal(pod.Containers[0].Ports.Single(p => p.Name == "http").ContainerPort, settings.Listen.Port);
        Assert.True(settings.LogsJson);
        // The other regions leave it to the home region, which is near the catalog.
        Assert.Equal(overlay == "production", settings.Gc.Schedule is not null);
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Files_that_a_setting_names_are_mounted(string overlay)
    {
        var manifests = Manifests.Overlay(overlay);

        Assert.All(manifests.Containers, c =>
        {
            var paths = manifests.Environment(c.Container).Values.SelectMany(v => v.Split(' ', ';', '='))
                .Where(v => v.StartsWith("/etc/", StringComparison.Ordinal));
            Assert.All(paths, path => Assert.Contains(c.Container.VolumeMounts, m => m.MountPath == Path.GetDirectoryName(path)));
        });
    }

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void Kubernetes_adds_no_variables_that_look_like_options(string overlay) =>
        Assert.All(Manifests.Overlay(overlay).Pods, p => Assert.False(p.Template.Spec.EnableServiceLinks));

    [ManifestTheory]
    [InlineData("production")]
    [InlineData("remote-region")]
    public void The_image_is_made_for_the_user_and_the_ports_of_the_manifests(string overlay)
    {
        // ImageTests looks into the image itself.
        var script = File.ReadAllText(Path.Combine(Repository.Root, "eng", "image"));
        var user = Regex.Match(script, @"\buser=(\d+:\d+)").Groups[1].Value;
        var ports = Regex.Match(script, @"^ports=\(([\d ]+)\)$", RegexOptions.Multiline).Groups[1].Value.Split(' ');

        Assert.All(Manifests.Overlay(overlay).Pods, p =>
            Assert.Equal(user, $"{p.Template.Spec.SecurityContext.RunAsUser}:{p.Template.Spec.SecurityContext.RunAsGroup}"));
        Assert.All(Manifests.Overlay(overlay).Containers.SelectMany(c => c.Container.Ports ?? []), p =>
            Assert.Contains($"{p.ContainerPort}", ports));
    }

    private static void WriteSecrets(V1PodSpec pod, TempFolder mounts)
    {
        WriteCertificate(pod, mounts);
        var contents = new Dictionary<string, string>
        {
            ["key"] = SecretKey.Generate("cache.example.org-1").Export(),
            ["access-key"] = "an-access-key\n",
            ["secret-key"] = "a-secret-key\n",
            ["upload-access-key"] = "an-upload-access-key\n",
            ["upload-secret-key"] = "an-upload-secret-key\n",
        };
        foreach (var secret in Manifests.ExampleSecrets())
        {
            if (pod.Volumes.SingleOrDefault(v => v.Secret?.SecretName == secret.Metadata.Name) is not { } volume)
                continue;
            var folder = mounts[pod.Containers[0].VolumeMounts.Single(m => m.Name == volume.Name).MountPath.TrimStart('/')];
            Directory.CreateDirectory(folder);
            foreach (var (key, value) in secret.StringData)
                File.WriteAllText(Path.Combine(folder, key), contents.GetValueOrDefault(key, value));
        }
    }

    // cert-manager's.
    private static void WriteCertificate(V1PodSpec pod, TempFolder mounts)
    {
        if (pod.Volumes.SingleOrDefault(v => v.Secret?.SecretName == "orleans-cache-silo-tls") is not { } volume)
            return;
        var folder = mounts[pod.Containers[0].VolumeMounts.Single(m => m.Name == volume.Name).MountPath.TrimStart('/')];
        Directory.CreateDirectory(folder);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=orleans-cache-silo", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(folder, "tls.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "ca.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "tls.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
