using System.Buffers;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Http;

/// <summary>
/// A whole body in memory, decoded, in pieces from a pool, so that growth copies nothing. Each piece is taken from the
/// <see cref="BodyBudget"/> before it is filled. Up to 2 MiB it is one piece, which a JSON reader reads faster.
/// </summary>
internal sealed class BodyBytes : IDisposable
{
    private const int FirstPiece = 64 << 10;
    private const int LargestFirst = 2 << 20;
    private const int LaterPiece = 1 << 20;

    private readonly List<byte[]> _pieces = [];
    private int _filled; // of the last piece

    private BodyBytes()
    {
    }

    public long Length { get; private set; }

    /// <summary>Bytes that this holds of the budget.</summary>
    public long Taken { get; private set; }

    public ReadOnlySequence<byte> Sequence
    {
        get
        {
            if (_pieces.Count == 1)
                return new ReadOnlySequence<byte>(_pieces[0], 0, _filled);
            var first = new Piece(_pieces[0], 0);
            var last = first;
            for (var i = 1; i < _pieces.Count; i++)
                last = last.Add(i == _pieces.Count - 1 ? _pieces[i].AsMemory(0, _filled) : _pieces[i]);
            return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
        }
    }

    /// <summary>Reads the stream to its end.</summary>
    public static async ValueTask<BodyBytes> ReadAsync(Stream body, BodyBudget.Lease lease, CancellationToken cancellationToken)
    {
        var bytes = new BodyBytes();
        try
        {
            await bytes.AddAsync(FirstPiece, lease, cancellationToken);
            while (await body.ReadAsync(bytes._pieces[^1].AsMemory(bytes._filled), cancellationToken) is > 0 and var read)
            {
                bytes._filled += read;
                bytes.Length += read;
                if (bytes._filled == bytes._pieces[^1].Length)
                    await (bytes.Length < LargestFirst ? bytes.GrowAsync(lease, cancellationToken)
                        : bytes.AddAsync(LaterPiece, lease, cancellationToken));
            }

            return bytes;
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    public bool StartsWith(ReadOnlySpan<byte> start)
    {
        Span<byte> buffer = stackalloc byte[start.Length];
        if (Length < start.Length)
            return false;
        Sequence.Slice(0, start.Length).CopyTo(buffer);
        return buffer.SequenceEqual(start);
    }

    public byte[] ToArray() => Sequence.ToArray();

    /// <summary>As one frame of zstd.</summary>
    public byte[] Compress()
    {
        if (_pieces.Count == 1)
            return Zstd.Compress(_pieces[0].AsSpan(0, _filled));
        using var frame = new MemoryStream();
        using (var zstd = new ZstdCompressStream(frame, pledgedSize: Length, leaveOpen: true))
        {
            foreach (var piece in Sequence)
                zstd.Write(piece.Span);
        }

        return frame.ToArray();
    }

    public void Dispose()
    {
        foreach (var piece in _pieces)
            ArrayPool<byte>.Shared.Return(piece);
        _pieces.Clear();
    }

    private async Task AddAsync(int size, BodyBudget.Lease lease, CancellationToken cancellationToken)
    {
        await TakeAsync(size, lease, cancellationToken);
        _pieces.Add(ArrayPool<byte>.Shared.Rent(size));
        _filled = 0;
    }

    private async Task GrowAsync(BodyBudget.Lease lease, CancellationToken cancellationToken)
    {
        var piece = _pieces[0];
        await TakeAsync(piece.Length * 2, lease, cancellationToken);
        _pieces[0] = ArrayPool<byte>.Shared.Rent(piece.Length * 2);
        piece.CopyTo(_pieces[0], 0);
        ArrayPool<byte>.Shared.Return(piece);
        lease.Give(piece.Length);
        Taken -= piece.Length;
    }

    private async Task TakeAsync(int size, BodyBudget.Lease lease, CancellationToken cancellationToken)
    {
        await lease.TakeAsync(size, cancellationToken);
        Taken += size;
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Piece Add(ReadOnlyMemory<byte> memory)
        {
            var next = new Piece(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
