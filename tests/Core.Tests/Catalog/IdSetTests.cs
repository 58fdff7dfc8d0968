using OrleansCache.Core.Catalog;
using Xunit;

namespace OrleansCache.Core.Tests.Catalog;

public sealed class IdSetTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    [InlineData(10_000)]
    public void Ids_have_the_rank_that_they_have_in_order(int spread)
    {
        var random = new Random(spread);
        var ids = Enumerable.Range(0, 20_000).Select(i => (long)i * spread + random.Next(spread)).ToArray();
        var set = new IdSet();
        random.Shuffle(ids);
        foreach (var id in ids)
            Assert.True(set.Add(id));
        set.Seal();
        Array.Sort(ids);

        Assert.Equal(ids, set.InOrder());
        Assert.Equal(ids.Length, set.Count);
        for (var i = 0; i < ids.Length; i++)
            Assert.Equal(i, set.Rank(ids[i]));
        var known = ids.ToHashSet();
        for (var i = 0; i < 20_000; i++)
        {
            var id = random.NextInt64(2L * 20_000 * spread);
            Assert.Equal(known.Contains(id), set.Contains(id));
            Assert.Equal(known.Contains(id), set.Rank(id) >= 0);
        }
    }

    [Fact]
    public void What_is_added_twice_is_there_once_and_what_no_row_has_is_in_no_set()
    {
        var set = new IdSet();
        Assert.True(set.Add(7));
        Assert.False(set.Add(7));
        set.Seal();

        Assert.Equal(1, set.Count);
        Assert.False(set.Contains(-1));
        Assert.Equal(-1, set.Rank(long.MaxValue));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Add(-1));
    }
}
