using System.Buffers.Binary;

namespace OrleansCache.Core.Gc;

/// <summary>
/// A <c>bigint[]</c> in PostgreSQL's binary form, read in place: dimensions, a flag, the element type, (length, lower bound) of the one dimension,
/// then each element behind its length (PostgreSQL's <c>array_send</c>).
/// </summary>
internal readonly ref struct PostgresArray(ReadOnlySpan<byte> bytes)
{
    private const int Header = 20;
    private const int Element = 12;
    private readonly ReadOnlySpan<byte> _elements = bytes.Length < Header ? [] : bytes[Header..];

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
