namespace OrleansCache.Nix;

/// <summary>The names in one directory, in a NAR's order. Reusable: it keeps its arrays.</summary>
internal sealed class DirectoryEntries
{
    private byte[] _names = new byte[1024];
    private int _namesUsed;
    private Entry[] _entries = new Entry[32];

    public int Count { get; private set; }

    private record struct Entry(int Offset, int DiskLength, int NarLength, Libc.FileType Type);

    /// <summary>With its NUL, for system calls.</summary>
    public ReadOnlySpan<byte> DiskName(int index) => _names.AsSpan(_entries[index].Offset, _entries[index].DiskLength + 1);

    /// <summary>Without NUL and without a case-hack suffix.</summary>
    public ReadOnlySpan<byte> NarName(int index) => NarNameOf(_entries[index]);

    /// <summary>The type that the directory gives, which may be <see cref="Libc.FileType.Unknown"/>.</summary>
    public Libc.FileType Type(int index) => _entries[index].Type;

    public void Read(int descriptor, ReadOnlySpan<byte> name, byte[] buffer, bool caseHack)
    {
        (Count, _namesUsed) = (0, 0);
        // A variable of "using" would be copied by each call.
        var reader = new DirectoryReader(descriptor, name, buffer);
        try
        {
            while (reader.Next(out var entry, out var type))
                Add(entry, type, caseHack);
        }
        finally
        {
            reader.Dispose();
        }

        _entries.AsSpan(0, Count).Sort((a, b) => NarNameOf(a).SequenceCompareTo(NarNameOf(b)));
        if (caseHack)
            RefuseCollisions(name);
    }

    private void Add(ReadOnlySpan<byte> name, Libc.FileType type, bool caseHack)
    {
        if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
            return;
        if (_namesUsed + name.Length + 1 > _names.Length)
            Array.Resize(ref _names, Math.Max(_names.Length * 2, _namesUsed + name.Length + 1));
        if (Count == _entries.Length)
            Array.Resize(ref _entries, Count * 2);
        name.CopyTo(_names.AsSpan(_namesUsed));
        _names[_namesUsed + name.Length] = 0;
        var narLength = caseHack && name.LastIndexOf(NarFormat.CaseHackSuffix) is var at and > 0 ? at : name.Length;
        _entries[Count++] = new Entry(_namesUsed, name.Length, narLength, type);
        _namesUsed += name.Length + 1;
    }

    private ReadOnlySpan<byte> NarNameOf(Entry entry) => _names.AsSpan(entry.Offset, entry.NarLength);

    private void RefuseCollisions(ReadOnlySpan<byte> directory)
    {
        for (var i = 1; i < Count; i++)
        {
            if (NarName(i).SequenceEqual(NarName(i - 1)))
                throw new IOException(
                    $"In '{Libc.Text(directory)}' two names become '{Libc.Text(NarName(i))}' without their case-hack suffix.");
        }
    }
}
