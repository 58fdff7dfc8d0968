using System.Runtime.InteropServices;
using System.Text;

namespace OrleansCache.Nix;

/// <summary>
/// Sockets with a path, by the calls themselves: those of .NET cost a program that runs for milliseconds a third of its time.
/// </summary>
internal static unsafe partial class LocalSocket
{
    private const int UnixFamily = 1, Stream = 1;
    private const int LinuxNonBlocking = 0x800, LinuxCloseOnExec = 0x80000;
    private const int LinuxMaxPath = 108, MacMaxPath = 104;

    private static int MaxPath => Platform.IsMac ? MacMaxPath : LinuxMaxPath;

    private static int TryAgain => Platform.IsMac ? 35 : 11; // EAGAIN

    /// <summary>Connects, says nothing and closes. It does not wait for whoever listens.</summary>
    /// <returns>False: nobody listens, or the path is too long for a socket.</returns>
    public static bool Knock(string path)
    {
        var name = Encoding.UTF8.GetBytes(path);
        if (name.Length >= MaxPath)
            return false;
        // struct sockaddr_un: the family, then the path with a zero at its end. macOS has a length in the first half of the family's place.
        Span<byte> address = stackalloc byte[sizeof(ushort) + MaxPath];
        address.Clear();
        if (Platform.IsMac)
            (address[0], address[1]) = ((byte)address.Length, UnixFamily);
        else
            MemoryMarshal.Write(address, (ushort)UnixFamily);
        name.CopyTo(address[sizeof(ushort)..]);
        // macOS refuses at once where Linux waits, and has no such flags.
        var descriptor = Socket(UnixFamily, Platform.IsMac ? Stream : Stream | LinuxNonBlocking | LinuxCloseOnExec, 0);
        if (descriptor < 0)
            return false;
        fixed (byte* bytes = address)
        {
            var connected = Connect(descriptor, bytes, address.Length) == 0;
            // A listener with more connections than it has taken is awake already.
            var isBusy = !connected && Marshal.GetLastPInvokeError() == TryAgain;
            _ = Libc.Close(descriptor);
            return connected || isBusy;
        }
    }

    [LibraryImport(Platform.Libc, EntryPoint = "socket")]
    private static partial int Socket(int family, int type, int protocol);

    [LibraryImport(Platform.Libc, EntryPoint = "connect", SetLastError = true)]
    private static partial int Connect(int descriptor, byte* address, int length);
}
