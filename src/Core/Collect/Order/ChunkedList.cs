namespace OrleansCache.Core.Collect.Order;

/// <summary>A list that grows without copying its values: hundreds of millions of them take their own size only.</summary>
internal sealed class ChunkedList<T> where T : unmanaged
{
    private const int ChunkLog = 18;
    private const int Mask = (1 << ChunkLog) - 1;
    private readonly List<T[]> _chunks = [];

    public int Count { get; private set; }

    public T this[int index] => _chunks[index >> ChunkLog][index & Mask];

    public void Add(T value)
    {
        if (Count >> ChunkLog == _chunks.Count)
            _chunks.Add(new T[1 << ChunkLog]);
        _chunks[Count >> ChunkLog][Count & Mask] = value;
        Count = checked(Count + 1);
    }
}
