using System.Security.Cryptography;
using System.Text.Unicode;

namespace OrleansCache.Nix;

/// <summary>A piece of a NAR with what came just before it.</summary>
/// <param name="last">The bytes before the piece, as many as a hash may still need.</param>
/// <param name="position">Of the piece in the NAR.</param>
/// <param name="file">Where in the NAR the contents of its only file are, if it is one.</param>
internal readonly ref struct NarBytes(ReadOnlySpan<byte> last, ReadOnlySpan<byte> piece, long position, (long Offset, long Size)? file)
{
    private readonly ReadOnlySpan<byte> _last = last;
    private readonly ReadOnlySpan<byte> _piece = piece;

    public long FileStart => file?.Offset ?? 0;

    public long FileEnd => file is var (offset, size) ? offset + size : 0;

    public void AppendTo(IncrementalHash hash, long start, long end)
    {
        if (start < Math.Min(end, position))
            hash.AppendData(_last[(int)(start - position + _last.Length)..(int)(Math.Min(end, position) - position + _last.Length)]);
        if (Math.Max(start, position) < end)
            hash.AppendData(_piece[(int)(Math.Max(start, position) - position)..(int)(end - position)]);
    }
}

/// <summary>
/// One hash of a NAR, or of the contents of its only file: plain, or modulo a path's references to itself, each of which counts as zeros.
/// </summary>
internal sealed class RunningHash : IDisposable
{
    /// <summary>Bytes for the positions of references, two or three for most.</summary>
    public const int MaxPositions = 512 << 10;

    private static readonly byte[] Zeros = new byte[StorePathHash.TextLength];

    private readonly IncrementalHash _hash;
    private readonly List<byte>? _positions; // the distances from one to the next, in groups of 7 bits; null: a plain hash
    private bool _positionsLost;
    private long _lastPosition;
    private long _next; // what comes next in the NAR
    private byte[]? _positionDigest;

    public RunningHash(HashAlgorithmName algorithm, bool ofFile)
        : this(IncrementalHash.CreateHash(algorithm), ofFile, 0, null)
    {
    }

    private RunningHash(IncrementalHash hash, bool ofFile, long next, List<byte>? positions) =>
        (_hash, OfFile, _next, _positions) = (hash, ofFile, next, positions);

    public HashAlgorithmName Algorithm => _hash.AlgorithmName;

    /// <summary>Whether it is of the contents of the only file, else of the NAR.</summary>
    public bool OfFile { get; }

    /// <summary>The hash of all bytes, after <see cref="Finish"/>.</summary>
    public byte[] Digest { get; private set; } = [];

    public void Dispose() => _hash.Dispose();

    /// <summary>A hash modulo, of what was appended and what comes.</summary>
    public RunningHash Split() => new(_hash.Clone(), OfFile, _next, []);

    /// <summary>Appends the NAR's bytes before <paramref name="end"/> that it does not have.</summary>
    public void AppendUntil(long end, NarBytes bytes)
    {
        if (end <= _next)
            return;
        if (OfFile)
            bytes.AppendTo(_hash, Math.Max(_next, bytes.FileStart), Math.Min(end, bytes.FileEnd));
        else
            bytes.AppendTo(_hash, _next, end);
        _next = end;
    }

    /// <summary>Takes zeros for a reference, unless it overlaps with the one before.</summary>
    public void AppendZeros(long position, NarBytes bytes)
    {
        if (position < _next)
            return;
        AppendUntil(position, bytes);
        _hash.AppendData(Zeros);
        _next = position + Zeros.Length;
        AddPosition(OfFile ? position - bytes.FileStart : position);
    }

    public void Finish(long end, NarBytes bytes)
    {
        AppendUntil(end, bytes);
        Digest = _hash.GetCurrentHash();
        if (_positions is null || _positionsLost)
            return;
        AppendPositions();
        _positionDigest = _hash.GetCurrentHash();
    }

    /// <summary>
    /// Whether this is the hash, after <see cref="Finish"/>. Nix up to 2.16 and from 2.35 on appends the positions of the references,
    /// those between do not (NixOS/nix#15837); both made paths that are about.
    /// </summary>
    /// <returns>Null when there are too many references to tell.</returns>
    public bool? Is(ReadOnlySpan<byte> hash) => hash.SequenceEqual(Digest) || hash.SequenceEqual(_positionDigest) ? true
        : _positionsLost ? null : false;

    private void AddPosition(long position)
    {
        if (_positionsLost)
            return;
        var distance = (ulong)(position - _lastPosition);
        _lastPosition = position;
        for (; distance > 0x7f; distance >>= 7)
            _positions!.Add((byte)(distance | 0x80));
        _positions!.Add((byte)distance);
        _positionsLost = _positions.Count > MaxPositions;
    }

    private void AppendPositions()
    {
        Span<byte> text = stackalloc byte[24];
        var (position, distance, shift) = (0L, 0L, 0);
        foreach (var group in _positions!)
        {
            distance |= (long)(group & 0x7f) << shift;
            shift += 7;
            if (group > 0x7f)
                continue;
            position += distance;
            (distance, shift) = (0, 0);
            _ = Utf8.TryWrite(text, $"|{position}", out var written);
            _hash.AppendData(text[..written]);
        }
    }
}
