using System.Buffers;

namespace OrleansCache.Nix;

/// <summary>Bytes of unknown number: what is written is not copied until the end, so growing needs no second place for it.</summary>
internal sealed class ChunkedBuffer : IBufferWriter<byte>
{
    private const int FirstChunk = 4 << 10;
    private const int MaxChunk = 1 << 20;

    private readonly List<ReadOnlyMemory<byte>> _full = [];
    private byte[] _chunk = [];
    private int _used;

    public void Advance(int count) => _used += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_chunk.Length - _used < Math.Max(sizeHint, 1))
        {
            _full.Add(_chunk.AsMemory(0, _used));
            _chunk = new byte[Math.Max(Math.Clamp(_chunk.Length * 2, FirstChunk, MaxChunk), sizeHint)];
            _used = 0;
        }

        return _chunk.AsMemory(_used);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public byte[] ToArray()
    {
        var bytes = new byte[_full.Sum(chunk => chunk.Length) + _used];
        var at = 0;
        foreach (var chunk in _full.Append(_chunk.AsMemory(0, _used)))
        {
            chunk.CopyTo(bytes.AsMemory(at));
            at += chunk.Length;
        }

        return bytes;
    }
}
