using System.Runtime.InteropServices;
using System.Text;

namespace OrleansCache.Cli.Queue;

/// <summary>
/// Wakes the daemon of a queue by a connection, which says nothing more; the service manager starts one where none runs. Sockets of .NET
/// cost a hook a third of its time.
/// </summary>
internal static unsafe partial class Wakeup
{
    private const int UnixFamily = 1, Stream = 1, NonBlocking = 0x800, CloseOnExec = 0x80000;
    private const int MaxPath = 108;

    /// <returns>False: nobody listens.</returns>
    public static bool Send(string socket)
    {
        var path = Encoding.UTF8.GetBytes(socket);
        if (!OperatingSystem.IsLinux() || path.Length >= MaxPath)
            return false;
        // struct sockaddr_un: the family, then the path with a zero at its end.
        Span<byte> address = stackalloc byte[sizeof(ushort) + MaxPath];
        address.Clear();
        MemoryMarshal.Write(address, (ushort)UnixFamily);
        path.CopyTo(address[sizeof(ushort)..]);
        var descriptor = Socket(UnixFamily, Stream | NonBlocking | CloseOnExec, 0);
        if (descriptor < 0)
            return false;
        fixed (byte* bytes = address)
        {
            var connected = Connect(descriptor, bytes, address.Length) == 0;
            // A daemon with more connections than it has taken is awake already.
            var isBusy = !connected && Marshal.GetLastPInvokeError() == TryAgain;
            _ = Close(descriptor);
            return connected || isBusy;
        }
    }

    private const int TryAgain = 11; // EAGAIN

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int Socket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static partial int Connect(int descriptor, byte* address, int length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
