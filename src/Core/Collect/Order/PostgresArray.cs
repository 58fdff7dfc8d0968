using System.Buffers.Binary;

namespace OrleansCache.Core.Collect.Order;

/// <summary>
/// A <c>bigint[]</c> in PostgreSQL's binary form, read in place: dimensions, a flag, the element type, (length, lower bound) of the one
/// dimension, then each element behind its length (PostgreSQL's <c>array_send</c>).
/// </summary>
/// <param name="elements">What follows the header.</param>
internal readonly ref struct PostgresArray(ReadOnlySpan<byte> elements)
{
    public const int Element = 12;
    private readonly ReadOnlySpan<byte> _elements = elements;

    public int Count => _elements.Length / Element;

    public Enumerator GetEnumerator() => new(_elements);

    public ref struct Enumerator(ReadOnlySpan<byte> elements)
    {
        private ReadOnlySpan<byte> _rest = elements;

        public long Current { get; private set; }

        public bool MoveNext()
        {
            if (_rest.Length < Element)
                return false;
            Current = BinaryPrimitives.ReadInt64BigEndian(_rest[4..]);
            _rest = _rest[Element..];
            return true;
        }
    }
}

/// <summary>Such arrays, one behind the other.</summary>
internal ref struct PostgresArrays(ReadOnlySpan<byte> bytes)
{
    // An array without elements has no dimension.
    private const int EmptyHeader = 12;
    private const int Header = 20;
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>The next array; an empty one when there is none.</summary>
    public PostgresArray Next()
    {
        if (_rest.Length < Header || BinaryPrimitives.ReadInt32BigEndian(_rest) == 0)
        {
            _rest = _rest[Math.Min(EmptyHeader, _rest.Length)..];
            return default;
        }

        var length = BinaryPrimitives.ReadInt32BigEndian(_rest[EmptyHeader..]) * PostgresArray.Element;
        var array = new PostgresArray(_rest.Slice(Header, length));
        _rest = _rest[(Header + length)..];
        return array;
    }
}
