using System.Collections.Concurrent;

namespace OrleansCache.Cli.Http;

/// <summary>Reuses buffers of one size, which hold the compressed bytes of all NARs under way.</summary>
internal sealed class SegmentPool
{
    /// <summary>Large enough that a write to a socket is worth its system call.</summary>
    public const int SegmentSize = 128 << 10;

    private readonly ConcurrentBag<byte[]> _free = [];

    public byte[] Rent() => _free.TryTake(out var segment) ? segment : GC.AllocateUninitializedArray<byte>(SegmentSize);

    public void Return(byte[] segment) => _free.Add(segment);
}

/// <summary>Bytes in pooled segments: one thread fills them, then they are only read, any number of times, until disposal.</summary>
internal sealed class SegmentedBuffer(SegmentPool pool) : IDisposable
{
    private readonly List<byte[]> _segments = [];
    private int _lastUsed = SegmentPool.SegmentSize;

    /// <summary>The MD5 of the content, where somebody has computed it.</summary>
    public byte[]? Md5 { get; set; }

    public long Length => _segments.Count == 0 ? 0 : (_segments.Count - 1L) * SegmentPool.SegmentSize + _lastUsed;

    /// <summary>Free bytes at the end, at least one; call <see cref="Advance"/> with how many were used.</summary>
    public Span<byte> Free()
    {
        if (_lastUsed == SegmentPool.SegmentSize)
        {
            _segments.Add(pool.Rent());
            _lastUsed = 0;
        }

        return _segments[^1].AsSpan(_lastUsed);
    }

    public void Advance(int count) => _lastUsed += count;

    /// <summary>Drops what was written after the first so many bytes.</summary>
    public void Truncate(long length)
    {
        while (_segments.Count > 0 && (_segments.Count - 1L) * SegmentPool.SegmentSize >= length)
        {
            pool.Return(_segments[^1]);
            _segments.RemoveAt(_segments.Count - 1);
            _lastUsed = SegmentPool.SegmentSize;
        }

        if (_segments.Count > 0)
            _lastUsed = (int)(length - (_segments.Count - 1L) * SegmentPool.SegmentSize);
    }

    public IEnumerable<ReadOnlyMemory<byte>> Segments()
    {
        for (var i = 0; i < _segments.Count; i++)
            yield return _segments[i].AsMemory(0, i < _segments.Count - 1 ? SegmentPool.SegmentSize : _lastUsed);
    }

    /// <summary>A separate buffer with some of the bytes.</summary>
    public SegmentedBuffer Copy(long offset, long length)
    {
        var copy = new SegmentedBuffer(pool);
        while (length > 0)
        {
            var from = _segments[(int)(offset / SegmentPool.SegmentSize)].AsSpan((int)(offset % SegmentPool.SegmentSize));
            var to = copy.Free();
            var count = (int)Math.Min(length, Math.Min(from.Length, to.Length));
            from[..count].CopyTo(to);
            copy.Advance(count);
            (offset, length) = (offset + count, length - count);
        }

        return copy;
    }

    public void Dispose()
    {
        foreach (var segment in _segments)
            pool.Return(segment);
        _segments.Clear();
        _lastUsed = SegmentPool.SegmentSize;
    }
}
