using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using OrleansCache.Testing;

namespace OrleansCache.Deploy.Tests;

/// <summary>
/// What <c>eng/image</c> wrote, unpacked as an engine does it: from the index to the configuration and the layers, each by its digest.
/// </summary>
/// <remarks>The image has the programs of <see cref="BuiltProgram"/>; <c>eng/image</c> alone makes those that are shipped.</remarks>
internal sealed class UnpackedImage : IDisposable
{
    // As Kubernetes starts it: a file system that is read only but for /tmp. Of this machine it sees processes, devices, and .NET where
    // the programs are not the shipped ones.
    private const string Enter = """
        root=$1 user=$2 secrets=$3 count=$4; shift 4
        mount --bind "$root" "$root"
        mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"
        if [ -d /usr/share/dotnet ]; then mkdir -p "$root/usr/share/dotnet"; mount --rbind /usr/share/dotnet "$root/usr/share/dotnet"; fi
        mount -t tmpfs tmpfs "$root/tmp"; chmod 1777 "$root/tmp"
        if [ -n "$secrets" ]; then cp -r "$secrets" "$root/tmp/secrets"; chown -R "$user" "$root/tmp/secrets"; fi
        mount -o remount,ro,bind "$root"
        # The image has no env of its own.
        exec env -i "${@:1:count}" "$(command -v chroot)" --userspec="$user" "$root" "${@:count+1}"
        """;

    private readonly TempFolder _folder = new("oc-image-");

    private UnpackedImage()
    {
    }

    /// <summary>Null when an image can be made and entered here, else why not.</summary>
    public static string? MissingReason =>
        Environment.UserName != "root" ? "only root can make an image and enter it"
        : Programs.Missing("mmdebstrap", "jq", "unshare");

    /// <summary>The folder that it is started in.</summary>
    public string Root => _folder["root"];

    /// <summary>The <c>config</c> of the image's configuration.</summary>
    public JsonElement Config { get; private set; }

    /// <summary>Numbers of a user and a group.</summary>
    public string User => Config.GetProperty(nameof(User)).GetString()!;

    public string EntryPoint => Assert.Single(Config.GetProperty("Entrypoint").EnumerateArray()).GetString()!;

    public static async Task<UnpackedImage> UnpackAsync(string archive)
    {
        var image = new UnpackedImage();
        var layout = image._folder["layout"];
        Directory.CreateDirectory(layout);
        Directory.CreateDirectory(image.Root);
        await TarFile.ExtractToDirectoryAsync(archive, layout, overwriteFiles: false);
        var index = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(layout, "index.json"))).RootElement;
        var manifest = await DocumentAsync(Assert.Single(index.GetProperty("manifests").EnumerateArray()));
        var configuration = await DocumentAsync(manifest.GetProperty("config"));
        var differences = configuration.GetProperty("rootfs").GetProperty("diff_ids").EnumerateArray().Select(d => d.GetString()).ToList();
        var layers = manifest.GetProperty("layers").EnumerateArray().ToList();
        Assert.Equal(layers.Count, differences.Count);
        foreach (var (layer, difference) in layers.Zip(differences))
        {
            var tar = image._folder["layer.tar"];
            await using (var packed = new GZipStream(new MemoryStream(await BlobAsync(layer)), CompressionMode.Decompress))
            await using (var target = File.Create(tar))
                await packed.CopyToAsync(target);
            await using (var read = File.OpenRead(tar))
                Assert.Equal(difference, Digest(await SHA256.HashDataAsync(read)));
            (await ProcessRunner.RunAsync("tar", ["-x", "-p", "-f", tar, "-C", image.Root])).OrThrow();
        }

        image.Config = configuration.GetProperty("config");
        return image;

        async Task<JsonElement> DocumentAsync(JsonElement descriptor) => JsonDocument.Parse(await BlobAsync(descriptor)).RootElement;

        async Task<byte[]> BlobAsync(JsonElement descriptor)
        {
            var digest = descriptor.GetProperty("digest").GetString()!;
            var bytes = await File.ReadAllBytesAsync(Path.Combine(layout, "blobs", digest.Replace(':', '/')));
            Assert.Equal((digest, descriptor.GetProperty("size").GetInt64()), (Digest(SHA256.HashData(bytes)), bytes.LongLength));
            return bytes;
        }
    }

    /// <summary>Starts a program as the image's user. A folder of secrets appears as <c>/tmp/secrets</c>.</summary>
    public ProcessRunner Start(string program, IEnumerable<string> arguments, string secrets = "", string? preload = null)
    {
        string[] variables = [.. Config.GetProperty("Env").EnumerateArray().Select(e => e.GetString()!),
            .. preload is null ? Array.Empty<string>() : [$"LD_PRELOAD={preload}"]];
        return ProcessRunner.Start("unshare",
            ["--mount", "--propagation", "private", "bash", "-ec", Enter, "bash", Root, User, secrets, $"{variables.Length}", .. variables,
                program, .. arguments], folder: "/", signalAtExit: "TERM");
    }

    public async Task<ProcessResult> RunAsync(string program, IEnumerable<string> arguments, string secrets = "", string? preload = null)
    {
        await using var process = Start(program, arguments, secrets, preload);
        var code = await process.WaitAsync();
        return new ProcessResult(program, code, process.Output, process.Errors);
    }

    public void Dispose() => _folder.Dispose();

    private static string Digest(byte[] hash) => "sha256:" + Convert.ToHexStringLower(hash);
}

/// <summary>A test of the container image; skipped, with the reason, where none can be made.</summary>
public sealed class ImageFactAttribute : FactAttribute
{
    public ImageFactAttribute(bool needsNix = false) =>
        Skip = UnpackedImage.MissingReason ?? (needsNix ? new NixFactAttribute().Skip : null);
}
