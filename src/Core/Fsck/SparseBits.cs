namespace OrleansCache.Core.Fsck;

/// <summary>
/// A set of ids with gaps, a bit each in blocks of 1,024 (some 190 bytes with their place in the table): a fifth of a byte for each id where
/// they are dense, about 10 bytes where they are spread over fifty times their number.
/// </summary>
internal sealed class SparseBits
{
    private const int BlockShift = 10;
    private const int Words = 1 << (BlockShift - 6);
    private readonly Dictionary<long, ulong[]> _blocks = [];

    public void Add(long id)
    {
        if (!_blocks.TryGetValue(id >> BlockShift, out var block))
            _blocks[id >> BlockShift] = block = new ulong[Words];
        block[Word(id)] |= 1UL << (int)(id & 63);
    }

    public bool Contains(long id) => _blocks.TryGetValue(id >> BlockShift, out var block) && (block[Word(id)] >> (int)(id & 63) & 1) != 0;

    private static int Word(long id) => (int)(id >> 6 & (Words - 1));
}
