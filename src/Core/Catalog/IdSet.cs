using System.Numerics;

namespace OrleansCache.Core.Catalog;

/// <summary>
/// A set of row ids that knows the rank of each: its position among all of them. Ids have gaps, so the set keeps only pages that hold ids,
/// each of 512 bits (a cache line): with one id in fifty used, that is six bytes an id.
/// </summary>
internal sealed class IdSet
{
    private const int BitsLog = 9;
    private const int Words = 1 << (BitsLog - 6);
    private const int ChunkLog = 13;
    private readonly List<ulong[]> _chunks = [];
    // Page number + 1 of each 512 ids; 0: there is none.
    private int[] _directory = new int[1024];
    private int[] _ranks = [];
    private int _pages;

    public int Count { get; private set; }

    /// <summary>False when it was there already.</summary>
    public bool Add(long id)
    {
        ref var word = ref Word(id);
        var bit = 1UL << (int)(id & 63);
        if ((word & bit) != 0)
            return false;
        word |= bit;
        Count++;
        return true;
    }

    /// <summary>Computes ranks; nothing may be added afterwards.</summary>
    public void Seal()
    {
        _ranks = new int[_pages];
        var rank = 0;
        foreach (var number in _directory)
        {
            if (number == 0)
                continue;
            _ranks[number - 1] = rank;
            foreach (var word in Page(number - 1))
                rank += BitOperations.PopCount(word);
        }
    }

    /// <summary>The id's position among all ids of the set, in order; -1 when it is not in it.</summary>
    public int Rank(long id)
    {
        var at = id >> BitsLog;
        if ((ulong)at >= (ulong)_directory.Length || _directory[at] is not (> 0 and var number))
            return -1;
        var page = Page(number - 1);
        var index = (int)(id >> 6) & (Words - 1);
        var bit = 1UL << (int)(id & 63);
        if ((page[index] & bit) == 0)
            return -1;
        var rank = _ranks[number - 1] + BitOperations.PopCount(page[index] & (bit - 1));
        for (var i = 0; i < index; i++)
            rank += BitOperations.PopCount(page[i]);
        return rank;
    }

    public bool Contains(long id)
    {
        var at = id >> BitsLog;
        return (ulong)at < (ulong)_directory.Length && _directory[at] is > 0 and var number
            && (Page(number - 1)[(int)(id >> 6) & (Words - 1)] & (1UL << (int)(id & 63))) != 0;
    }

    /// <summary>All ids, in order: the n-th has rank n.</summary>
    public IEnumerable<long> InOrder() => Except(new IdSet());

    /// <summary>All ids that are not in the other set, in order.</summary>
    public IEnumerable<long> Except(IdSet other)
    {
        for (var at = 0; at < _directory.Length; at++)
        {
            if (_directory[at] == 0)
                continue;
            var others = at < other._directory.Length ? other._directory[at] : 0;
            for (var i = 0; i < Words; i++)
            {
                for (var word = Page(_directory[at] - 1)[i] & ~(others == 0 ? 0 : other.Page(others - 1)[i]); word != 0; word &= word - 1)
                    yield return ((long)at << BitsLog) + (i << 6) + BitOperations.TrailingZeroCount(word);
            }
        }
    }

    private ref ulong Word(long id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        var at = checked((int)(id >> BitsLog));
        if (at >= _directory.Length)
            Array.Resize(ref _directory, Math.Max(at + 1, _directory.Length * 2));
        if (_directory[at] == 0)
        {
            if (_pages >> ChunkLog == _chunks.Count)
                _chunks.Add(new ulong[Words << ChunkLog]);
            _directory[at] = ++_pages;
        }

        return ref Page(_directory[at] - 1)[(int)(id >> 6) & (Words - 1)];
    }

    private Span<ulong> Page(int page) => _chunks[page >> ChunkLog].AsSpan((page & ((1 << ChunkLog) - 1)) * Words, Words);
}
