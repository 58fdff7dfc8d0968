using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.Local;

/// <summary>
/// Multipart uploads of a directory store. An upload is a folder with <c>meta</c> (key, part size, start), <c>data</c> (part n at
/// (n−1)·part size; becomes the object)
/// and <c>parts</c> (a 32-byte record per part: whether it is whole, who writes or wrote it, its length).
/// <para>
/// The writer of a part locks its range of <c>data</c> for each piece, and under the lock checks that <c>data</c> still has its name and
/// that the record still names this writer. A request that completes or aborts locks all of <c>data</c> and takes the name away. So a late
/// writer, in any process, cannot alter a finished object, nor a part that was sent again.
/// </para>
/// </summary>
internal sealed class DirectoryMultipart(DirectoryTree tree)
{
    private const int RecordSize = 32;
    private const byte Writing = 1;
    private const byte Done = 2;

    // Waiting for a file lock would hold a thread, so a lock is tried again.
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(2);

    public async Task<string> BeginAsync(ObjectKey key, long partSize, DateTimeOffset now)
    {
        tree.PathOf(key);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(partSize);
        var id = Guid.NewGuid().ToString("n");
        var draft = tree.NewTemp();
        try
        {
            await DraftAsync(draft, $"{key}\n{partSize}\n{now.ToUnixTimeMilliseconds()}\n");
        }
        catch
        {
            DeleteFolder(draft);
            throw;
        }

        return Posix.TryReplace(draft, FolderOf(id)) ? id
            : throw new ObjectStoreException($"the multipart upload of '{key}' vanished while it was begun", isTransient: true);
    }

    private static async Task DraftAsync(string draft, FormattableString meta)
    {
        Posix.MakeDirectory(draft);
        Posix.Open(draft + "/data", Posix.WriteOnly | Posix.Create).Dispose();
        Posix.Open(draft + "/parts", Posix.WriteOnly | Posix.Create).Dispose();
        using var file = Posix.Open(draft + "/meta", Posix.WriteOnly | Posix.Create);
        Posix.Write(file, System.Text.Encoding.ASCII.GetBytes(FormattableString.Invariant(meta)), 0, draft);
        await BlockingCalls.RunAsync(() => Posix.Flush(file, draft));
    }

    public async Task<UploadStatus> ReceiveAsync(UploadPart part, Stream body, long length, CancellationToken cancellationToken)
    {
        if (length > part.PartSize)
            return UploadStatus.TooLarge;
        if (!TryFolder(part.UploadId, out var folder))
            return UploadStatus.Gone;
        using var data = Posix.TryOpen(folder + "/data", Posix.ReadWrite);
        using var records = Posix.TryOpen(folder + "/parts", Posix.ReadWrite);
        if (data is null || records is null)
            return UploadStatus.Gone;
        FullDisk.RequireRoom(folder, length);

        var place = checked((part.Number - 1) * part.PartSize);
        var token = RandomNumberGenerator.GetBytes(16);
        try
        {
            await UnderLockAsync(() => WriteRecord(records, part.Number, Writing, token, 0));
            var isWhole = await BodyCopy.RunAsync(body, length, WritePieceAsync, cancellationToken);
            if (!isWhole)
                return UploadStatus.WrongLength;

            // Durable before the record says so: after a power cut a record must not vouch for bytes that never reached the disk.
            await BlockingCalls.RunAsync(() => Posix.Flush(data, folder));
            await UnderLockAsync(() =>
            {
                EnsureStillMine();
                WriteRecord(records, part.Number, Done, token, length);
            });
            return UploadStatus.Stored;
        }
        catch (PartRefusedException e)
        {
            return e.Status;
        }
        catch (ObjectStoreException e) when (FullDisk.Is(e))
        {
            // Immediately, as the upload may stay open for an hour; but not while another request sends the same part.
            await GiveBackAsync();
            throw;
        }

        async Task GiveBackAsync()
        {
            try
            {
                await UnderLockAsync(() =>
                {
                    EnsureStillMine();
                    Posix.PunchHole(data, place, part.PartSize);
                });
            }
            catch (PartRefusedException)
            {
                // Another request owns the part now, or the upload is gone.
            }
        }

        async ValueTask WritePieceAsync(ReadOnlyMemory<byte> piece, long offset) =>
            await UnderLockAsync(() =>
            {
                EnsureStillMine();
                Posix.Write(data, piece.Span, place + offset, folder);
            });

        async ValueTask UnderLockAsync(Action act)
        {
            while (!Posix.TryLock(data, place, part.PartSize))
                await Task.Delay(LockPause, cancellationToken);
            try
            {
                if (!Posix.FileExists(folder + "/data"))
                    throw new PartRefusedException(UploadStatus.Gone);
                act();
            }
            finally
            {
                Posix.Unlock(data, place, part.PartSize);
            }
        }

        void EnsureStillMine()
        {
            Span<byte> record = stackalloc byte[RecordSize];
            ReadRecord(records, part.Number, record);
            if (record[0] != Writing || !record[1..17].SequenceEqual(token))
                throw new PartRefusedException(UploadStatus.Superseded);
        }
    }

    /// <param name="parts">How many there are; only looked at when the size is <see cref="IObjectStore.SizeOfParts"/>.</param>
    public async Task<bool> CompleteAsync(ObjectKey key, string uploadId, long size, int parts, CancellationToken cancellationToken)
    {
        var path = tree.PathOf(key);
        if (!TryFolder(uploadId, out var folder))
            return File.Exists(path);
        using (var data = await LockAllAsync(folder, cancellationToken))
        {
            if (data is null)
            {
                DeleteFolder(folder);
                return File.Exists(path);
            }

            if (ReadMeta(folder) is not { } meta || meta.Key != key)
                return false;
            if (size == IObjectStore.SizeOfParts)
                size = SizeOf(folder, meta.PartSize, parts);
            if (!IsWhole(folder, meta.PartSize, size))
                return false;
            Posix.Truncate(data, size, folder);
            await BlockingCalls.RunAsync(() => Posix.Flush(data, folder));

            // An object that is there already stays: an object never changes under its readers.
            DirectoryTree.AddNew(folder + "/data", path);
            DeleteFolder(folder);
            return true;
        }
    }

    public async Task AbortAsync(string uploadId, CancellationToken cancellationToken)
    {
        if (!TryFolder(uploadId, out var folder))
            return;
        using var data = await LockAllAsync(folder, cancellationToken);
        DeleteFolder(folder);
    }

    public IEnumerable<OpenMultipart> List()
    {
        foreach (var folder in Directory.EnumerateDirectories(tree.Multipart))
        {
            if (!Posix.FileExists(folder + "/data"))
                DeleteFolder(folder); // Completed or aborted by a process that died before it had cleaned up.
            else if (ReadMeta(folder) is { } meta)
                yield return new OpenMultipart(meta.Key, Path.GetFileName(folder), meta.Initiated);
        }
    }

    /// <summary>The open data file with all of it locked; null when the upload has ended.</summary>
    private static async Task<SafeFileHandle?> LockAllAsync(string folder, CancellationToken cancellationToken)
    {
        var data = Posix.TryOpen(folder + "/data", Posix.ReadWrite);
        if (data is null)
            return null;
        try
        {
            while (!Posix.TryLock(data, 0, 0))
                await Task.Delay(LockPause, cancellationToken);
            if (Posix.FileExists(folder + "/data"))
                return data;
        }
        catch
        {
            data.Dispose();
            throw;
        }

        data.Dispose();
        return null;
    }

    /// <summary>True when each part has arrived whole and they make up an object of this size.</summary>
    private static bool IsWhole(string folder, long partSize, long size)
    {
        using var records = Posix.TryOpen(folder + "/parts", Posix.ReadOnly);
        if (records is null || size <= 0)
            return false;
        Span<byte> record = stackalloc byte[RecordSize];
        var left = size;
        for (var part = 1; left > 0; part++)
        {
            ReadRecord(records, part, record);
            if (record[0] != Done || BinaryPrimitives.ReadInt64LittleEndian(record[17..]) != Math.Min(left, partSize))
                return false;
            left -= partSize;
        }

        return true;
    }

    /// <summary>The size of so many parts when all but the last are full; <see cref="IsWhole"/> checks that they are.</summary>
    private static long SizeOf(string folder, long partSize, int parts)
    {
        using var records = Posix.TryOpen(folder + "/parts", Posix.ReadOnly);
        if (records is null || parts < 1)
            return 0;
        Span<byte> record = stackalloc byte[RecordSize];
        ReadRecord(records, parts, record);
        return ((parts - 1) * partSize) + BinaryPrimitives.ReadInt64LittleEndian(record[17..]);
    }

    private static void WriteRecord(SafeFileHandle records, int part, byte state, ReadOnlySpan<byte> token, long length)
    {
        Span<byte> record = stackalloc byte[RecordSize];
        record.Clear();
        record[0] = state;
        token.CopyTo(record[1..]);
        BinaryPrimitives.WriteInt64LittleEndian(record[17..], length);
        Posix.Write(records, record, (part - 1L) * RecordSize, "the records of a multipart upload");
    }

    private static void ReadRecord(SafeFileHandle records, int part, Span<byte> record)
    {
        record.Clear();
        RandomAccess.Read(records, record, (part - 1L) * RecordSize);
    }

    private static (ObjectKey Key, long PartSize, DateTimeOffset Initiated)? ReadMeta(string folder)
    {
        try
        {
            var lines = File.ReadAllLines(folder + "/meta");
            return (ObjectKey.Parse(lines[0]), long.Parse(lines[1], CultureInfo.InvariantCulture),
                DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(lines[2], CultureInfo.InvariantCulture)));
        }
        catch (IOException)
        {
            return null; // Ended meanwhile.
        }
    }

    // The data first: a writer that has it open must find its name gone, even if this process stops here.
    private static void DeleteFolder(string folder)
    {
        Posix.TryDelete(folder + "/data");
        Posix.TryDelete(folder + "/parts");
        Posix.TryDelete(folder + "/meta");
        try
        {
            Directory.Delete(folder);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }

    private string FolderOf(string id) => string.Concat(tree.Multipart, "/", id);

    private bool TryFolder(string id, out string folder)
    {
        var valid = Guid.TryParseExact(id, "N", out var guid) && guid.ToString("n") == id;
        folder = valid ? FolderOf(id) : "";
        return valid;
    }

    private sealed class PartRefusedException(UploadStatus status) : Exception
    {
        public UploadStatus Status { get; } = status;
    }
}
