using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.Local;

/// <summary>The layout below the root of a directory store, and the two ways in which a finished file becomes an object.</summary>
internal sealed class DirectoryTree
{
    private static readonly TimeSpan AbandonedAfter = TimeSpan.FromDays(1);

    private readonly string _temp;
    private readonly string _lock;

    public DirectoryTree(string root)
    {
        Root = Path.GetFullPath(root);
        _temp = Path.Combine(Root, ".tmp");
        _lock = Path.Combine(Root, ".lock");
        Multipart = Path.Combine(Root, ".multipart");
        Posix.MakeDirectory(_temp);
        Posix.MakeDirectory(Multipart);
        Posix.Open(_lock, Posix.ReadWrite | Posix.Create).Dispose();
        DeleteAbandoned();
        SyncsWhole = NewFiles.IsSound(_temp);
    }

    /// <summary>Whether many new files may be made durable by one sync of their file system.</summary>
    public bool SyncsWhole { get; }

    public string Root { get; }

    public string Multipart { get; }

    public static bool IsReserved(ObjectKey key) => key.ToString() is not [not '.', ..];

    /// <exception cref="ObjectStoreException">The key's first segment begins with a dot.</exception>
    public string PathOf(ObjectKey key)
    {
        var text = key.ToString();
        if (IsReserved(key))
            throw new ObjectStoreException($"'{text}' cannot be an object: names that begin with a dot are the directory store's own",
                isTransient: false);
        return string.Concat(Root, "/", text);
    }

    /// <summary>Some open file of the file system that the objects lie on.</summary>
    public SafeFileHandle OpenFileSystem() => Posix.Open(_temp, Posix.ReadOnly);

    public string NewTemp() => string.Concat(_temp, "/", Guid.NewGuid().ToString("n"));

    /// <summary>An exclusive lock on one key, among all processes; null while somebody else holds it. Kill -9 releases it.</summary>
    public SafeFileHandle? TryLock(ObjectKey key)
    {
        // One byte of an empty file, far in, stands for each key: two keys on one byte would only wait for each other.
        var place = BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(key.ToString()))) & (long.MaxValue >> 1);
        var file = Posix.Open(_lock, Posix.ReadWrite);
        if (Posix.TryLock(file, place, 1))
            return file;
        file.Dispose();
        return null;
    }

    public static void Replace(string from, string path)
    {
        if (Posix.TryReplace(from, path))
            return;
        Posix.MakeDirectory(Path.GetDirectoryName(path)!);
        if (!Posix.TryReplace(from, path))
            throw new ObjectStoreException($"cannot rename to {path}: its temporary file has vanished", isTransient: false);
    }

    /// <summary>False when there is such an object already; it then stays as it is.</summary>
    public static bool AddNew(string from, string path)
    {
        if (Posix.TryRenameToNew(from, path) is { } added)
            return added;
        Posix.MakeDirectory(Path.GetDirectoryName(path)!);
        return Posix.TryRenameToNew(from, path)
            ?? throw new ObjectStoreException($"cannot rename to {path}: its temporary file has vanished", isTransient: false);
    }

    /// <summary>The directories whose entries make these keys: each once, from the deepest up to the root.</summary>
    public IEnumerable<string> DirectoriesOf(IReadOnlyList<ObjectKey> keys)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            var directory = Path.GetDirectoryName(PathOf(key))!;
            while (directory.Length > Root.Length && seen.Add(directory))
                directory = Path.GetDirectoryName(directory)!;
        }

        seen.Add(Root);
        return seen.OrderByDescending(d => d.Length);
    }

    // Deletes files that a killed process left. An upload that still makes progress is never a day old.
    private void DeleteAbandoned()
    {
        foreach (var entry in new DirectoryInfo(_temp).EnumerateFileSystemInfos())
        {
            if (DateTime.UtcNow - entry.LastWriteTimeUtc < AbandonedAfter)
                continue;
            if (entry is DirectoryInfo directory)
                directory.Delete(recursive: true);
            else
                entry.Delete();
        }
    }
}
