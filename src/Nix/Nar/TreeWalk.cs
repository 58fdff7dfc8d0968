using System.Buffers;

namespace OrleansCache.Nix;

/// <summary>
/// Walks a tree in the order of its NAR. A stack of its own, not the thread's, holds the open directories, with one descriptor per level,
/// so the limit of open files alone bounds the depth.
/// </summary>
internal abstract class TreeWalk(bool caseHack, CancellationToken cancellationToken)
{
    private readonly Stack<Level> _levels = [];
    private readonly Stack<DirectoryEntries> _unused = [];
    private readonly byte[] _target = new byte[Libc.MaxSymlinkTarget];
    private byte[] _path = [];

    /// <summary>See <see cref="NarSummary.MaxDepth"/>.</summary>
    public int MaxDepth { get; private set; }

    private sealed class Level(int descriptor, DirectoryEntries entries)
    {
        public int Descriptor { get; } = descriptor;

        public DirectoryEntries Entries { get; } = entries;

        public int Next { get; set; }
    }

    public void Run(string path)
    {
        _path = Libc.ToPath(path);
        var buffer = ArrayPool<byte>.Shared.Rent(32 * 1024);
        try
        {
            Node(Libc.AtCurrentDirectory, _path, Libc.FileType.Unknown, buffer);
            while (_levels.TryPeek(out var level))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (level.Next < level.Entries.Count)
                {
                    var index = level.Next++;
                    BeginEntry(level.Entries.NarName(index));
                    if (Node(level.Descriptor, level.Entries.DiskName(index), level.Entries.Type(index), buffer))
                        EndEntry();
                }
                else
                {
                    Leave();
                    EndDirectory();
                    if (_levels.Count > 0)
                        EndEntry();
                }
            }
        }
        catch (IOException e) when (_levels.Count > 0)
        {
            throw new IOException($"{e.Message} (below {Where()})", e);
        }
        finally
        {
            while (_levels.Count > 0)
                Leave();
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected void ThrowIfCancelled() => cancellationToken.ThrowIfCancellationRequested();

    protected abstract void BeginDirectory();

    protected abstract void EndDirectory();

    protected abstract void BeginEntry(ReadOnlySpan<byte> name);

    protected abstract void EndEntry();

    protected abstract void Symlink(ReadOnlySpan<byte> target);

    /// <summary><paramref name="name"/> ends with NUL.</summary>
    protected abstract void File(int directory, ReadOnlySpan<byte> name);

    /// <returns>False when it entered a directory, whose entries come first.</returns>
    private bool Node(int directory, ReadOnlySpan<byte> name, Libc.FileType type, byte[] buffer)
    {
        MaxDepth = Math.Max(MaxDepth, _levels.Count + 1);
        if (type == Libc.FileType.Unknown)
            type = Libc.StatusOf(directory, name).Type;
        switch (type)
        {
            case Libc.FileType.Regular:
                File(directory, name);
                return true;
            case Libc.FileType.Symlink:
                Symlink(_target.AsSpan(0, Libc.ReadLink(directory, name, _target)));
                return true;
            case Libc.FileType.Directory:
                var entries = _unused.Count > 0 ? _unused.Pop() : new DirectoryEntries();
                _levels.Push(new Level(Libc.Open(directory, name, Libc.ReadOnly | Libc.Directory | Libc.NoFollow), entries));
                entries.Read(_levels.Peek().Descriptor, name, buffer, caseHack);
                BeginDirectory();
                return false;
            default:
                throw new IOException($"'{Libc.Text(name)}' is neither a file, a directory nor a symbolic link; a NAR has no other kinds.");
        }
    }

    private void Leave()
    {
        var level = _levels.Pop();
        _ = Libc.Close(level.Descriptor);
        _unused.Push(level.Entries);
    }

    private string Where() => string.Join('/', _levels.Reverse().SkipLast(1)
        .Select(level => Libc.Text(level.Entries.NarName(level.Next - 1))).Prepend(Libc.Text(_path)));
}
