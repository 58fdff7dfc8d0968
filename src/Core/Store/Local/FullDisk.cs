using System.ComponentModel;
using static System.FormattableString;

namespace OrleansCache.Core.Store.Local;

/// <summary>The full disk of a directory store: how to recognise, foresee and report it.</summary>
public static class FullDisk
{
    public const string Sentence =
        "The disk that holds the objects is full, or its quota is used up; nothing that was acknowledged is lost. Make room there, or " +
            "collect garbage ('orleans-cache gc --force').";

    private const int NoSpace = 28;
    private const int OverQuota = 122;
    private const long Reserve = 64 << 20;
    private const long ReservePart = 50;

    /// <summary>Whether an operation failed for want of space.</summary>
    public static bool Is(Exception e) =>
        e is Win32Exception { NativeErrorCode: NoSpace or OverQuota } or IOException { HResult: NoSpace or OverQuota }
            || (e.InnerException is { } inner && Is(inner));

    /// <summary>
    /// Refuses uploads before the disk is full: publishing them needs space, and so do collections and a database on the same disk.
    /// </summary>
    /// <exception cref="ObjectStoreException">So many more bytes do not fit.</exception>
    internal static void RequireRoom(string folder, long bytes)
    {
        if (Room(folder) is { } room && room < bytes)
            throw new ObjectStoreException(
                $"{bytes} bytes do not fit on the disk of {folder}: {Math.Max(0, room)} are left beside what is kept free",
                isTransient: false, new Win32Exception(NoSpace));
    }

    /// <returns>The reason why uploads fail, in a sentence: hardly any space is free (less than 64 MiB, or 2 % of a small disk). Null when
    /// there is room, or when the disk does not tell.</returns>
    public static string? FindTrouble(string folder) => Room(folder) is not <= 0 ? null
        : Invariant($"The disk that holds the objects has {new DriveInfo(folder).AvailableFreeSpace >> 20} MiB left, ") +
            "which uploads leave alone. Make room there, or collect garbage ('orleans-cache gc --force').";

    // The space for uploads; null when the disk does not tell.
    private static long? Room(string folder)
    {
        try
        {
            var drive = new DriveInfo(folder);
            return drive.AvailableFreeSpace - Math.Min(Reserve, drive.TotalSize / ReservePart);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
