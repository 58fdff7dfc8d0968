using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace OrleansCache.Nix.Tests;

/// <summary>Clients choose hashes: codes that they could foretell would make a table of a large begin a list.</summary>
public sealed class HashCodeTests
{
    private const int Count = 10_000;

    public static TheoryData<int> Words => [0, 4, 8, 12];

    [Theory]
    [MemberData(nameof(Words))]
    public void Paths_that_share_words_of_their_hashes_share_no_codes(int free)
    {
        var codes = Enumerable.Range(1, Count).Select(i => StorePathHash.FromBytes(Chosen(StorePathHash.ByteLength, free, i))
            .GetHashCode());
        Assert.InRange(codes.Distinct().Count(), Count - 10, Count);
    }

    [Theory]
    [MemberData(nameof(Words))]
    public void Nars_that_share_words_of_their_hashes_share_no_codes(int free)
    {
        var codes = Enumerable.Range(1, Count).Select(i => Sha256Hash.FromBytes(Chosen(Sha256Hash.ByteLength, free, i)).GetHashCode());
        Assert.InRange(codes.Distinct().Count(), Count - 10, Count);
    }

    [Fact]
    public void The_codes_are_keyed_by_a_secret_of_the_process()
    {
        var bytes = Chosen(Sha256Hash.ByteLength, 0, 7);

        Assert.Equal(string.GetHashCode(MemoryMarshal.Cast<byte, char>(bytes)), Sha256Hash.FromBytes(bytes).GetHashCode());
        Assert.Equal(string.GetHashCode(MemoryMarshal.Cast<byte, char>(bytes.AsSpan(0, 20))), StorePathHash.FromBytes(bytes.AsSpan(0, 20))
            .GetHashCode());
    }

    // Two 32-bit words that differ in the same way: all others are alike, and so is what any fold of a 64-bit word makes of these.
    private static byte[] Chosen(int length, int at, int value)
    {
        var bytes = new byte[length];
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), value);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at + 4), value);
        return bytes;
    }
}
