using System.Numerics;

namespace OrleansCache.Core.Collect.Order;

/// <summary>
/// An order that keeps neighbours apart in batches of any size. Rows written together lie in one page, which has room for a few new
/// versions of them, and room again once the transaction has ended. A batch that changes all rows of a page writes most of them to other
/// pages, and into every index.
/// </summary>
internal static class HeapPageSpread
{
    // The greatest distance of neighbours, so that the pages of consecutive batches stay in memory.
    private const int WindowLog = 16;

    /// <param name="ids">In the order of the rows, or nearly so.</param>
    public static IEnumerable<T> NeighboursApart<T>(IReadOnlyList<T> ids)
    {
        for (var from = 0; from < ids.Count; from += 1 << WindowLog)
        {
            var count = Math.Min(ids.Count - from, 1 << WindowLog);
            var bits = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)count));
            // Numbers with their bits reversed: each part of the sequence is spread evenly over all of it.
            for (var i = 0; i < 1 << bits; i++)
            {
                var at = Reverse(i, bits);
                if (at < count)
                    yield return ids[from + at];
            }
        }
    }

    private static int Reverse(int value, int bits)
    {
        var reversed = 0;
        for (var bit = 0; bit < bits; bit++)
            reversed |= ((value >> bit) & 1) << (bits - 1 - bit);
        return reversed;
    }
}
