namespace OrleansCache.Cli.Store;

/// <summary>
/// Decompresses bzip2, the format of Nix's build logs, which .NET cannot read. Follows the description of the format in
/// <c>bzip2-format-specification</c> (Joe Tsai): Huffman codes, move to front, run lengths, Burrows–Wheeler.
/// </summary>
internal static class Bzip2
{
    private const int RunA = 0, RunB = 1, GroupSize = 50, MaxCodeLength = 20;
    private const ulong BlockMagic = 0x314159265359, EndMagic = 0x177245385090;

    /// <exception cref="InvalidDataException">Not bzip2, damaged, or longer than <paramref name="maxBytes"/>.</exception>
    public static byte[] Decompress(Stream stream, int maxBytes)
    {
        using var output = new MemoryStream();
        var bits = new BitReader(stream);
        // Several streams one after the other are one file, as after `cat a.bz2 b.bz2`.
        while (!bits.AtEnd)
        {
            if (bits.Read(24) != 0x425A68) // BZh
                throw new InvalidDataException("it is not bzip2");
            var level = (int)bits.Read(8) - '0';
            if (level is < 1 or > 9)
                throw new InvalidDataException("it is not bzip2");
            var block = new int[level * 100_000];
            ulong magic;
            var all = 0u;
            while ((magic = ((ulong)bits.Read(24) << 24) | bits.Read(24)) == BlockMagic)
                all = uint.RotateLeft(all, 1) ^ ReadBlock(bits, block, output, maxBytes);
            if (magic != EndMagic || ((bits.Read(16) << 16) | bits.Read(16)) != all)
                throw new InvalidDataException("it is damaged");
            bits.AlignToByte();
        }

        return output.ToArray();
    }

    private static uint ReadBlock(BitReader bits, int[] block, MemoryStream output, int maxBytes)
    {
        var expected = (bits.Read(16) << 16) | bits.Read(16);
        if (bits.Read(1) != 0)
            throw new InvalidDataException("it is of an obsolete kind (randomised)");
        var origin = (int)bits.Read(24);
        var count = ReadSymbols(bits, block);
        if (origin >= count)
            throw new InvalidDataException("it is damaged");
        var crc = Untransform(block, count, origin, output, maxBytes);
        return crc == expected ? crc : throw new InvalidDataException("it is damaged: a checksum is wrong");
    }

    /// <summary>Huffman codes, move to front and the runs of zeros; gives the number of bytes, one in the low bits of each element.</summary>
    private static int ReadSymbols(BitReader bits, int[] block)
    {
        var front = ReadUsedBytes(bits);
        var symbols = front.Count + 2;
        var (tables, selectors) = ReadTables(bits, symbols);
        var (count, run, weight) = (0, 0, 1);
        for (var i = 0; ; i++)
        {
            if (i / GroupSize >= selectors.Length)
                throw new InvalidDataException("it is damaged");
            var symbol = tables[selectors[i / GroupSize]].Decode(bits);
            if (symbol is RunA or RunB)
            {
                run += weight << symbol;
                weight <<= 1;
                if (run > block.Length)
                    throw new InvalidDataException("it is damaged");
                continue;
            }

            if (count + run + 1 > block.Length + (symbol == symbols - 1 ? 1 : 0))
                throw new InvalidDataException("it is damaged");
            if (run > 0)
                Array.Fill(block, front[0], count, run);
            count += run;
            (run, weight) = (0, 1);
            if (symbol == symbols - 1)
                return count;
            var value = front[symbol - 1];
            front.RemoveAt(symbol - 1);
            front.Insert(0, value);
            block[count++] = value;
        }
    }

    private static List<int> ReadUsedBytes(BitReader bits)
    {
        var used = new List<int>(256);
        var ranges = bits.Read(16);
        for (var range = 0; range < 16; range++)
        {
            if ((ranges & (0x8000u >> range)) == 0)
                continue;
            var map = bits.Read(16);
            for (var i = 0; i < 16; i++)
            {
                if ((map & (0x8000u >> i)) != 0)
                    used.Add(range * 16 + i);
            }
        }

        return used.Count > 0 ? used : throw new InvalidDataException("it is damaged");
    }

    private static (HuffmanTable[] Tables, int[] Selectors) ReadTables(BitReader bits, int symbols)
    {
        var tableCount = (int)bits.Read(3);
        var selectors = new int[bits.Read(15)];
        if (tableCount is < 2 or > 6 || selectors.Length == 0)
            throw new InvalidDataException("it is damaged");
        var order = Enumerable.Range(0, tableCount).ToList();
        for (var i = 0; i < selectors.Length; i++)
        {
            var at = 0;
            while (bits.Read(1) == 1)
            {
                if (++at >= tableCount)
                    throw new InvalidDataException("it is damaged");
            }

            selectors[i] = order[at];
            order.RemoveAt(at);
            order.Insert(0, selectors[i]);
        }

        var tables = new HuffmanTable[tableCount];
        for (var t = 0; t < tableCount; t++)
        {
            var lengths = new int[symbols];
            var length = (int)bits.Read(5);
            for (var s = 0; s < symbols; s++)
            {
                while (bits.Read(1) == 1)
                    length += bits.Read(1) == 0 ? 1 : -1;
                lengths[s] = length is >= 1 and <= MaxCodeLength ? length : throw new InvalidDataException("it is damaged");
            }

            tables[t] = new HuffmanTable(lengths);
        }

        return (tables, selectors);
    }

    /// <summary>Undoes the Burrows–Wheeler transform in place and the outer run lengths; gives the checksum of what was written.</summary>
    private static uint Untransform(int[] block, int count, int origin, MemoryStream output, int maxBytes)
    {
        Span<int> starts = stackalloc int[256];
        for (var i = 0; i < count; i++)
            starts[block[i] & 0xFF]++;
        var sum = 0;
        for (var value = 0; value < 256; value++)
            (starts[value], sum) = (sum, sum + starts[value]);
        // The upper 24 bits become the link to the next byte.
        for (var i = 0; i < count; i++)
            block[starts[block[i] & 0xFF]++] |= i << 8;

        var crc = uint.MaxValue;
        var (at, last, same) = ((int)((uint)block[origin] >> 8), -1, 0);
        for (var i = 0; i < count; i++)
        {
            var value = block[at] & 0xFF;
            at = (int)((uint)block[at] >> 8);
            // Four equal bytes are followed by the number of further ones.
            var times = same == 4 ? value : 1;
            if (same == 4)
                (value, same) = (last, 0);
            else
                (last, same) = (value, value == last ? same + 1 : 1);
            if (output.Length + times > maxBytes)
                throw new InvalidDataException($"it is longer than {maxBytes >> 20} MiB");
            for (var n = 0; n < times; n++)
            {
                output.WriteByte((byte)value);
                crc = (crc << 8) ^ CrcTable[(crc >> 24) ^ (uint)value];
            }

            if (same == 0)
                last = -1;
        }

        return ~crc;
    }

    private static readonly uint[] CrcTable = MakeCrcTable();

    private static uint[] MakeCrcTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            var crc = i << 24;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc << 1) ^ ((crc & 0x80000000) != 0 ? 0x04C11DB7u : 0);
            table[i] = crc;
        }

        return table;
    }

    /// <summary>A canonical Huffman code.</summary>
    private sealed class HuffmanTable
    {
        private readonly int[] _symbols;
        private readonly int[] _firstCode = new int[MaxCodeLength + 2];
        private readonly int[] _firstIndex = new int[MaxCodeLength + 2];
        private readonly int[] _count = new int[MaxCodeLength + 2];

        public HuffmanTable(int[] lengths)
        {
            _symbols = [.. Enumerable.Range(0, lengths.Length).OrderBy(symbol => lengths[symbol])]; // a stable sort
            foreach (var length in lengths)
                _count[length]++;
            var (code, index) = (0, 0);
            for (var length = 1; length <= MaxCodeLength; length++)
            {
                (_firstCode[length], _firstIndex[length]) = (code, index);
                code = (code + _count[length]) << 1;
                index += _count[length];
            }
        }

        public int Decode(BitReader bits)
        {
            var code = 0;
            for (var length = 1; length <= MaxCodeLength; length++)
            {
                code = (code << 1) | (int)bits.Read(1);
                if (code - _firstCode[length] < _count[length])
                    return _symbols[_firstIndex[length] + code - _firstCode[length]];
            }

            throw new InvalidDataException("it is damaged");
        }
    }

    private sealed class BitReader(Stream stream)
    {
        private readonly byte[] _buffer = new byte[64 << 10];
        private int _at, _end, _bits;
        private ulong _word;

        public bool AtEnd => _bits == 0 && !Fill();

        /// <summary>At most 24 bits.</summary>
        public uint Read(int count)
        {
            while (_bits < count)
            {
                if (!Fill())
                    throw new InvalidDataException("it ends too early");
                _word = (_word << 8) | _buffer[_at++];
                _bits += 8;
            }

            _bits -= count;
            return (uint)(_word >> _bits) & ((1u << count) - 1);
        }

        public void AlignToByte() => _bits -= _bits % 8;

        private bool Fill()
        {
            if (_at < _end)
                return true;
            (_at, _end) = (0, stream.Read(_buffer));
            return _end > 0;
        }
    }
}
