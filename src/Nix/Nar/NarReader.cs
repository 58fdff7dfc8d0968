using System.Buffers;
using System.Buffers.Binary;

namespace OrleansCache.Nix;

/// <summary>How strictly NARs are read. What the format forbids is always refused.</summary>
public sealed record NarReadOptions
{
    public static NarReadOptions Default { get; } = new();

    /// <summary>The most levels; the root is level one.</summary>
    public int MaxDepth { get; init; } = NarFormat.NixMaxDepth;
}

/// <summary>
/// Reads a NAR that is fed to it piece by piece, and refuses whatever <c>nix-store --dump</c> would not have written: padding that is not
/// zero, names out of order or twice, names that are empty, <c>.</c>, <c>..</c> or have a slash or NUL, fields out of order, bytes after
/// the end. Memory depends on the depth only. It can stand beside another use of the same bytes, such as hashing them.
/// </summary>
/// <param name="handler">Null: only verify.</param>
/// <param name="options">Null: the defaults.</param>
public sealed class NarReader(INarHandler? handler = null, NarReadOptions? options = null)
{
    private const int MaxKeyword = 16;
    private const int MaxName = 1024; // Linux has 255, others up to 765 as UTF-8
    private const int MaxTarget = 64 * 1024; // Linux has 4095

    private readonly int _maxDepth = (options ?? NarReadOptions.Default).MaxDepth;
    private readonly List<Name> _directories = []; // of each directory we are in, the last name; longer than _depth, for reuse
    private byte[] _pending = new byte[256];
    private int _pendingCount;
    private State _state = State.Magic;
    private bool _executable;
    private int _depth, _deepest;
    private long _dataLeft, _dataSize;

    private enum State
    {
        Magic, NodeOpen, Type, TypeValue, FileField, ExecutableValue, ContentsKey, ContentsSize, Data, DataPadding, FileClose,
        TargetKey, Target, SymlinkClose, DirectoryField, EntryOpen, NameKey, Name, NodeKey, EntryClose, End,
    }

    private sealed class Name
    {
        public byte[] Bytes = [];
        public int Length;
    }

    /// <summary>The number of bytes parsed so far.</summary>
    public long Position { get; private set; }

    /// <summary>True once the NAR is whole.</summary>
    public bool IsComplete => _state == State.End;

    /// <summary>Where the contents begin, and their size, once that is read, of a NAR that is one file; null for others.</summary>
    internal (long Offset, long Size)? RootFile { get; private set; }

    /// <summary>Reads a stream to its end.</summary>
    /// <exception cref="InvalidDataException">Not a valid NAR, or cut short.</exception>
    public static async Task<NarSummary> ReadAsync(
        Stream nar, INarHandler? handler = null, NarReadOptions? options = null, CancellationToken cancellationToken = default)
    {
        var reader = new NarReader(handler, options);
        var buffer = ArrayPool<byte>.Shared.Rent(256 * 1024);
        try
        {
            for (int count; (count = await nar.ReadAsync(buffer, cancellationToken)) > 0;)
                reader.Feed(buffer.AsSpan(0, count));
            return reader.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <exception cref="InvalidDataException">The NAR is invalid. The reader cannot be used after that.</exception>
    public void Feed(ReadOnlySpan<byte> input)
    {
        while (!input.IsEmpty)
        {
            if (_state == State.Data)
            {
                TakeData(ref input);
                continue;
            }

            if (_pendingCount == 0 && PieceSize(input) is var whole && whole <= input.Length)
            {
                TakePiece(input[..whole]);
                input = input[whole..];
                continue;
            }

            // The piece continues in the next input: collect it.
            var size = PieceSize(_pending.AsSpan(0, _pendingCount));
            if (size > _pending.Length)
                Array.Resize(ref _pending, size);
            var count = Math.Min(size - _pendingCount, input.Length);
            input[..count].CopyTo(_pending.AsSpan(_pendingCount));
            input = input[count..];
            _pendingCount += count;
            if (PieceSize(_pending.AsSpan(0, _pendingCount)) == _pendingCount)
            {
                count = _pendingCount;
                _pendingCount = 0;
                TakePiece(_pending.AsSpan(0, count));
            }
        }
    }

    /// <summary>Must be called after the last piece.</summary>
    /// <exception cref="InvalidDataException">The NAR is not whole.</exception>
    public NarSummary Complete() => IsComplete
        ? new NarSummary(Position, _deepest)
        : throw new InvalidDataException($"The NAR is cut short: it ends at byte {Position + _pendingCount}, where more must follow.");

    /// <summary>
    /// The size of the piece that begins here, as far as its first bytes tell it: at least 8, and more once the length is known.
    /// </summary>
    private int PieceSize(ReadOnlySpan<byte> start)
    {
        if (_state == State.End)
            throw Bad("bytes follow the end of the NAR");
        if (_state == State.DataPadding)
            return NarFormat.Padding(_dataSize);
        if (start.Length < 8 || _state == State.ContentsSize)
            return 8;
        var length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        var limit = _state switch { State.Name => MaxName, State.Target => MaxTarget, _ => MaxKeyword };
        return length <= (ulong)limit
            ? (int)NarFormat.StringSize((long)length)
            : throw Bad($"a string of {length} bytes where at most {limit} are expected");
    }

    private void TakeData(ref ReadOnlySpan<byte> input)
    {
        var count = (int)Math.Min(_dataLeft, input.Length);
        handler?.FileData(input[..count]);
        input = input[count..];
        _dataLeft -= count;
        Position += count;
        if (_dataLeft == 0)
            _state = NarFormat.Padding(_dataSize) == 0 ? State.FileClose : State.DataPadding;
    }

    private void TakePiece(ReadOnlySpan<byte> piece)
    {
        switch (_state)
        {
            case State.ContentsSize:
                BeginContents(BinaryPrimitives.ReadInt64LittleEndian(piece));
                break;
            case State.DataPadding:
                RequireZeros(piece);
                _state = State.FileClose;
                break;
            default:
                var length = BinaryPrimitives.ReadInt32LittleEndian(piece);
                RequireZeros(piece[(8 + length)..]);
                TakeString(piece.Slice(8, length));
                break;
        }

        Position += piece.Length;
    }

    private void TakeString(ReadOnlySpan<byte> text)
    {
        switch (_state)
        {
            case State.Magic: Expect(text, "nix-archive-1"u8, State.NodeOpen); break;
            case State.NodeOpen: BeginNode(text); break;
            case State.Type: Expect(text, "type"u8, State.TypeValue); break;
            case State.TypeValue: BeginType(text); break;
            case State.FileField:
                _executable = text.SequenceEqual("executable"u8);
                if (_executable)
                    _state = State.ExecutableValue;
                else
                    Expect(text, "contents"u8, State.ContentsSize);
                break;
            case State.ExecutableValue: Expect(text, ""u8, State.ContentsKey); break;
            case State.ContentsKey: Expect(text, "contents"u8, State.ContentsSize); break;
            case State.FileClose:
                Expect(text, ")"u8, State.EntryClose);
                handler?.EndFile();
                EndNode();
                break;
            case State.TargetKey: Expect(text, "target"u8, State.Target); break;
            case State.Target:
                if (text.IsEmpty || text.Contains((byte)0))
                    throw Bad("a symbolic link's target is empty or has a NUL");
                handler?.Symlink(text);
                _state = State.SymlinkClose;
                break;
            case State.SymlinkClose:
                Expect(text, ")"u8, State.EntryClose);
                EndNode();
                break;
            case State.DirectoryField: EntryOrEnd(text); break;
            case State.EntryOpen: Expect(text, "("u8, State.NameKey); break;
            case State.NameKey: Expect(text, "name"u8, State.Name); break;
            case State.Name: BeginEntry(text); break;
            case State.NodeKey: Expect(text, "node"u8, State.NodeOpen); break;
            case State.EntryClose:
                Expect(text, ")"u8, State.DirectoryField);
                handler?.EndEntry();
                break;
            default: throw new InvalidOperationException($"No string is expected in the state {_state}.");
        }
    }

    private void BeginNode(ReadOnlySpan<byte> text)
    {
        Expect(text, "("u8, State.Type);
        if (_depth + 1 > _maxDepth)
            throw Bad($"more than {_maxDepth} levels of directories");
        _deepest = Math.Max(_deepest, _depth + 1);
    }

    private void BeginType(ReadOnlySpan<byte> type)
    {
        if (type.SequenceEqual("regular"u8))
        {
            _state = State.FileField;
        }
        else if (type.SequenceEqual("symlink"u8))
        {
            _state = State.TargetKey;
        }
        else
        {
            Expect(type, "directory"u8, State.DirectoryField);
            if (_depth == _directories.Count)
                _directories.Add(new Name());
            _directories[_depth++].Length = 0;
            handler?.BeginDirectory();
        }
    }

    private void BeginContents(long size)
    {
        if (size < 0)
            throw Bad($"a file of {(ulong)size} bytes");
        (_dataSize, _dataLeft) = (size, size);
        if (_depth == 0)
            RootFile = (Position + 8, size);
        handler?.BeginFile(_executable, size, Position + 8);
        _state = size == 0 ? State.FileClose : State.Data;
    }

    private void EntryOrEnd(ReadOnlySpan<byte> text)
    {
        if (text.SequenceEqual("entry"u8))
        {
            _state = State.EntryOpen;
            return;
        }

        Expect(text, ")"u8, State.EntryClose);
        _depth--;
        handler?.EndDirectory();
        EndNode();
    }

    private void EndNode() => _state = _depth == 0 ? State.End : State.EntryClose;

    private void BeginEntry(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || name.Contains((byte)'/') || name.Contains((byte)0))
            throw Bad($"the name '{Libc.Text(name)}', which no file can have");
        var last = _directories[_depth - 1];
        var order = name.SequenceCompareTo(last.Bytes.AsSpan(0, last.Length));
        if (order <= 0)
            throw Bad($"the name '{Libc.Text(name)}' {(order == 0 ? "twice" : "out of order")}");
        if (last.Bytes.Length < name.Length)
            last.Bytes = new byte[Math.Max(64, name.Length)];
        name.CopyTo(last.Bytes);
        last.Length = name.Length;
        handler?.BeginEntry(name);
        _state = State.NodeKey;
    }

    private void Expect(ReadOnlySpan<byte> text, ReadOnlySpan<byte> expected, State next)
    {
        if (!text.SequenceEqual(expected))
            throw Bad($"'{Libc.Text(text)}' where '{Libc.Text(expected)}' is expected");
        _state = next;
    }

    private void RequireZeros(ReadOnlySpan<byte> padding)
    {
        if (padding.ContainsAnyExcept((byte)0))
            throw Bad("padding that is not zero");
    }

    private InvalidDataException Bad(string what) => new($"Not a valid NAR: at byte {Position} there is {what}.");
}
