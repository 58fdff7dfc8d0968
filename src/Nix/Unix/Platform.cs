using System.Runtime.InteropServices;

namespace OrleansCache.Nix;

/// <summary>What differs between the systems that the client is built for: Linux and macOS, on x86-64 and Arm.</summary>
internal static class Platform
{
    /// <summary>
    /// A library of both systems. What is only in one of them is called by one of the other names, or it would not link there.
    /// </summary>
    public const string Libc = "libc";

    public const string LinuxOnly = "libc.so.6";
    public const string MacOnly = "libSystem";

    public const int Interrupted = 4; // EINTR

    public static bool IsMac => OperatingSystem.IsMacOS();

    public static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <summary>Why the last call failed, for people.</summary>
    public static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
}
