using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>Signals to other processes. These numbers are the same on all systems.</summary>
internal static partial class Signals
{
    public const int HangUp = 1, Interrupt = 2, Terminate = 15;

    /// <returns>False: there is no such process, or it is another user's.</returns>
    public static bool Send(int process, int signal) => Kill(process, signal) == 0;

    [LibraryImport(Platform.Libc, EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
