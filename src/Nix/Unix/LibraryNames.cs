using System.Reflection;
using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>The libraries' names on macOS, which the sources call by those of Linux. Without libzstd its port to C# is used.</summary>
internal static class LibraryNames
{
    /// <summary>Must precede the first call of a library by any of these assemblies. Linux needs nothing.</summary>
    public static void Use(params ReadOnlySpan<Assembly> assemblies)
    {
        if (!Platform.IsMac)
            return;
        foreach (var assembly in assemblies)
            NativeLibrary.SetDllImportResolver(assembly, static (name, _, _) =>
                OnMac(name) is { } file && NativeLibrary.TryLoad(file, out var library) ? library : 0);
    }

    /// <summary>Null: the same.</summary>
    public static string? OnMac(string name) => name switch
    {
        "libsqlite3.so.0" => "/usr/lib/libsqlite3.dylib",
        "libbz2.so.1" => "/usr/lib/libbz2.1.0.dylib",
        "liblzma.so.5" => "/usr/lib/liblzma.5.dylib",
        "libzstd.so.1" => "libzstd.1.dylib",
        _ => null,
    };
}
