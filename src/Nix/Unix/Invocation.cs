using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>How this program was called.</summary>
internal static unsafe partial class Invocation
{
    /// <summary>
    /// The word by which it was called, such as a link's path; the runtime tells the program's file. "" where the system does not say.
    /// </summary>
    public static string CalledAs()
    {
        if (Platform.IsMac)
            return Marshal.PtrToStringUTF8((nint)(**Arguments())) ?? "";
        try
        {
            return File.ReadAllText("/proc/self/cmdline").Split('\0')[0];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    // A pointer to argv.
    [LibraryImport(Platform.MacOnly, EntryPoint = "_NSGetArgv")]
    private static partial byte*** Arguments();
}
