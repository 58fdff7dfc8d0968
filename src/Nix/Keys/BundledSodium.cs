using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using NSec.Cryptography;

namespace OrleansCache.Nix;

/// <summary>
/// Ed25519 by libsodium, the library that Nix itself signs with. A published program is one file and carries the library as a resource
/// (Sodium.targets); the loader gets it as a file in memory, which no read-only disk, missing home or <c>noexec</c> mount can refuse.
/// Without the resource, as in tests, the loader looks where it always does.
/// </summary>
internal static class BundledSodium
{
    public const int PublicKeyBytes = 32;
    public const int SecretKeyBytes = SeedBytes + PublicKeyBytes;
    public const int SignatureBytes = 64;
    public const int SeedBytes = 32;

    private const string Library = "libsodium";

    // NSec asks once for each function, and two copies of the library would each need initialising.
    private static readonly Lazy<nint> Bundled = new(LoadResource);

    static BundledSodium()
    {
        // Must precede NSec's first call, which its algorithm's constructor makes.
        NativeLibrary.SetDllImportResolver(
            typeof(SignatureAlgorithm).Assembly, static (name, _, _) => name == Library ? Bundled.Value : 0);
        Ed25519 = SignatureAlgorithm.Ed25519;
    }

    public static SignatureAlgorithm Ed25519 { get; }

    // 0 leaves the search to the loader.
    private static nint LoadResource()
    {
        using var resource = Assembly.GetEntryAssembly()?.GetManifestResourceStream(Library);
        if (resource is null)
            return 0;
        if (MemoryFile.TryCreate(Library) is not { } file)
            return OperatingSystem.IsLinux() ? 0 : LoadFile(resource);
        using var handle = new SafeFileHandle(file, ownsHandle: true);
        using var copy = new FileStream(handle, FileAccess.Write, bufferSize: 0);
        resource.CopyTo(copy);
        // The loader maps the file, so the descriptor can be closed afterwards.
        return NativeLibrary.TryLoad(MemoryFile.PathOf(file), out var library) ? library : 0;
    }

    // Linux alone has files in memory. Elsewhere a folder of our own has the library until it is loaded.
    private static nint LoadFile(Stream resource)
    {
        var folder = Directory.CreateTempSubdirectory("orleans-cache-");
        try
        {
            var path = Path.Combine(folder.FullName, Library);
            using (var copy = File.Create(path))
                resource.CopyTo(copy);
            return NativeLibrary.TryLoad(path, out var library) ? library : 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
