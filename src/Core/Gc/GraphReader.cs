using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace OrleansCache.Core.Gc;

/// <summary>Streams a cache's graph out of one snapshot by binary COPY: no object per row, and the database encodes while we parse.</summary>
internal static class GraphReader
{
    private const int BufferSize = 1 << 20;
    // PGCOPY, its line ends, flags, and the length of an empty extension.
    private const int CopyHeader = 19;
    private const string Followed = "('live', 'publishing', 'condemned')";

    public static async Task<MarkGraph> ReadAsync(NpgsqlConnection connection, int cache, GcPace pace, CancellationToken cancel)
    {
        var id = cache.ToString(CultureInfo.InvariantCulture);
        var graph = new MarkGraph();
        await CopyAsync(connection, $"select id, state = 'live', refs, objects from store_path where cache_id = {id} and state in {Followed}", 4,
            static (graph, row) => graph.AddPath(row.Int64(), row.Boolean(), row.Array(), row.Array()), graph, pace, cancel);
        await CopyAsync(connection, $"select id, state = 'live' from object where cache_id = {id} and state in {Followed}", 2,
            static (graph, row) => graph.AddObject(row.Int64(), row.Boolean()), graph, pace, cancel);
        graph.Seal();
        return graph;
    }

    private static async Task CopyAsync(NpgsqlConnection connection, string query, int fields, RowAction add, MarkGraph graph, GcPace pace, CancellationToken cancel)
    {
        await using var stream = await connection.BeginRawBinaryCopyAsync($"copy ({query}) to stdout (format binary)", cancel);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var (start, end) = (0, 0);
            while (end < CopyHeader)
                end += await ReadAsync(stream, buffer.AsMemory(end), cancel);
            start = CopyHeader;
            var step = Stopwatch.GetTimestamp();
            while (true)
            {
                while (Row.TryRead(buffer.AsSpan(start, end - start), fields, out var row, out var length))
                {
                    if (length == Row.Trailer)
                        return;
                    add(graph, row);
                    start += length;
                }

                if (start == 0 && end == buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                    buffer.CopyTo(larger, 0);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }
                else
                {
                    buffer.AsSpan(start, end - start).CopyTo(buffer);
                    (start, end) = (0, end - start);
                }

                // Who is not read from does not send.
                step = await pace.RestAsync(step, cancel);
                end += await ReadAsync(stream, buffer.AsMemory(end), cancel);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async ValueTask<int> ReadAsync(Stream stream, Memory<byte> into, CancellationToken cancel) =>
        await stream.ReadAsync(into, cancel) is > 0 and var read ? read : throw new EndOfStreamException("the database ended the graph early");

    private delegate void RowAction(MarkGraph graph, Row row);

    /// <summary>A row whose fields are read one after the other; none is null.</summary>
    private ref struct Row
    {
        /// <summary>The length of what ends the data.</summary>
        public const int Trailer = 2;
        private ReadOnlySpan<byte> _rest;

        public static bool TryRead(ReadOnlySpan<byte> bytes, int fields, out Row row, out int length)
        {
            row = default;
            length = 0;
            if (bytes.Length < Trailer)
                return false;
            if (BinaryPrimitives.ReadInt16BigEndian(bytes) == -1)
            {
                length = Trailer;
                return true;
            }

            var at = 2;
            for (var i = 0; i < fields; i++)
            {
                if (bytes.Length < at + 4)
                    return false;
                at += 4 + BinaryPrimitives.ReadInt32BigEndian(bytes[at..]);
            }

            if (bytes.Length < at)
                return false;
            row._rest = bytes[2..at];
            length = at;
            return true;
        }

        public long Int64() => BinaryPrimitives.ReadInt64BigEndian(Field());

        public bool Boolean() => Field()[0] != 0;

        public PostgresArray Array() => new(Field());

        private ReadOnlySpan<byte> Field()
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(_rest);
            var field = _rest.Slice(4, length);
            _rest = _rest[(4 + length)..];
            return field;
        }
    }
}
