using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OrleansCache.Core.Collect.Order;

namespace OrleansCache.Core.Collect.Mark;

/// <summary>
/// Streams a cache's graph out of one snapshot by binary COPY. One row of the answer holds the nodes of a few pages, because a message for
/// each node, and a wake-up for each few kilobytes, would cost more than the data.
/// </summary>
internal static class GraphReader
{
    private const int BufferSize = 1 << 20;
    // Pages of the table in each row of the answer: some hundred nodes, and not too much at once where arrays are long.
    private const int Pages = 32;
    // PGCOPY, its line ends, flags, and the length of an empty extension.
    private const int CopyHeader = 19;

    // Aggregates over the same rows read them in the same order.
    public static Task ReadPathsAsync(NpgsqlConnection connection, int cache, MarkGraph graph, GcPace pace,
        CancellationToken cancellationToken) =>
        CopyAsync(connection,
            Blocks("store_path",
            "array_agg(id), array_agg(id) filter (where state <> 'live'), string_agg(array_send(refs), ''), " +
            "string_agg(array_send(objects), '')", cache), 4,
            static (graph, row) => graph.AddPaths(row.Array(), row.Array(), row.Arrays(), row.Arrays()), graph, pace, cancellationToken);

    public static Task ReadObjectsAsync(NpgsqlConnection connection, int cache, MarkGraph graph, GcPace pace,
        CancellationToken cancellationToken) =>
        CopyAsync(connection, Blocks("object", "array_agg(id), array_agg(id) filter (where state <> 'live')", cache), 2,
            static (graph, row) => graph.AddObjects(row.Array(), row.Array()), graph, pace, cancellationToken);

    // All rows that the snapshot sees were in the table when it was taken, so its pages of that time suffice. PostgreSQL reads a range of
    // ctids as a TID range scan.
    private static string Blocks(string table, string columns, int cache) => string.Create(CultureInfo.InvariantCulture, $"""
        select b.* from generate_series(0, pg_relation_size('{table}') / current_setting('block_size')::int, {Pages}) p cross join lateral (
          select {columns} from {table}
          where ctid >= format('(%s,0)', p)::tid and ctid < format('(%s,0)', p + {Pages})::tid and cache_id = {cache} and state in ('live', 'publishing', 'condemned')) b
        """);

    private static async Task CopyAsync(NpgsqlConnection connection, string query, int fields, RowAction add, MarkGraph graph, GcPace pace,
        CancellationToken cancellationToken)
    {
        await using var stream = await connection.BeginRawBinaryCopyAsync($"copy ({query}) to stdout (format binary)", cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var (start, end) = (0, 0);
            while (end < CopyHeader)
                end += await ReadAsync(stream, buffer.AsMemory(end), cancellationToken);
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

                if (end == buffer.Length)
                {
                    var next = start > 0 ? buffer : ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
                    buffer.AsSpan(start, end - start).CopyTo(next);
                    if (next != buffer)
                        ArrayPool<byte>.Shared.Return(buffer);
                    (buffer, start, end) = (next, 0, end - start);
                }

                // The database stops sending while this process does not read.
                step = await pace.RestAsync(step, cancellationToken);
                end += await ReadAsync(stream, buffer.AsMemory(end), cancellationToken);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async ValueTask<int> ReadAsync(Stream stream, Memory<byte> into, CancellationToken cancellationToken) =>
        await stream.ReadAsync(into, cancellationToken) is > 0 and var read ? read
            : throw new EndOfStreamException("the database ended the graph early");

    private delegate void RowAction(MarkGraph graph, Row row);

    /// <summary>A row whose fields are read one after the other.</summary>
    private ref struct Row
    {
        /// <summary>The length of the mark that ends the data.</summary>
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
                at += 4 + Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(bytes[at..]));
            }

            if (bytes.Length < at)
                return false;
            row._rest = bytes[2..at];
            length = at;
            return true;
        }

        /// <summary>An array; null is an empty one.</summary>
        public PostgresArray Array() => Arrays().Next();

        public PostgresArrays Arrays()
        {
            var length = Math.Max(0, BinaryPrimitives.ReadInt32BigEndian(_rest));
            var field = _rest.Slice(4, length);
            _rest = _rest[(4 + length)..];
            return new PostgresArrays(field);
        }
    }
}
