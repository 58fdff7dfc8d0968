using System.Security.Cryptography;
using Npgsql;
using NpgsqlTypes;

namespace OrleansCache.Bench.Gc;

/// <summary>
/// A catalog of so many paths, written by COPY: blocks of twenty, each block's last path a pushed closure that refers to the other
/// nineteen, which refer to anything older. One block in fifty was never kept, and one in fifty was pushed 400 hours ago; nothing refers to
/// these. Ids are spread over fifty times their number.
/// </summary>
/// <remarks>
/// Per path a NAR and, on the average, 1.03 logs and realisations: three objects of the bucket for a path, its narinfo among them.
/// </remarks>
internal sealed class GraphFill(int nodes)
{
    private const int Block = 20;
    private const int GarbageBlocks = 50;
    private const int Spread = 50;
    private static readonly TimeSpan OldAge = TimeSpan.FromHours(400);
    private const int Window = 300_000;
    private const int References = 10;

    public int Paths { get; } = nodes / 3;

    public int Objects => nodes - Paths;

    public async Task WriteAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        // The order in which rows were written says nothing about ids, as after many updates.
        await using (var writer = await connection.BeginBinaryImportAsync(
            "copy store_path (id, cache_id, hash, name, state, touched, nar_hash, nar_size, refs, objects, deriver, signatures, " +
                "has_listing, recorded) from stdin (format binary)", cancellationToken))
        {
            for (var i = 0; i < Paths; i++)
            {
                var hash = Hash(i, 'p');
                await writer.StartRowAsync(cancellationToken);
                await writer.WriteAsync(PathId(i), NpgsqlDbType.Bigint, cancellationToken);
                await writer.WriteAsync(1, NpgsqlDbType.Integer, cancellationToken);
                await writer.WriteAsync(hash[..20], NpgsqlDbType.Bytea, cancellationToken);
                await writer.WriteAsync($"package-with-a-name-{i}", NpgsqlDbType.Text, cancellationToken);
                await writer.WriteAsync("live", NpgsqlDbType.Unknown, cancellationToken);
                await writer.WriteAsync(1L, NpgsqlDbType.Bigint, cancellationToken);
                await writer.WriteAsync(hash, NpgsqlDbType.Bytea, cancellationToken);
                await writer.WriteAsync(100_000L, NpgsqlDbType.Bigint, cancellationToken);
                await writer.WriteAsync(ReferencesOf(i), NpgsqlDbType.Bigint | NpgsqlDbType.Array, cancellationToken);
                await writer.WriteAsync(ObjectsOf(i), NpgsqlDbType.Bigint | NpgsqlDbType.Array, cancellationToken);
                await writer.WriteAsync($"0123456789abcdfghijklmnpqrsvwxyz-package-with-a-name-{i}.drv", NpgsqlDbType.Text,
                    cancellationToken);
                await writer.WriteAsync(new[] { $"cache-1:{Convert.ToBase64String(hash)}{Convert.ToBase64String(hash)}" },
                    NpgsqlDbType.Text | NpgsqlDbType.Array, cancellationToken);
                await writer.WriteAsync(true, NpgsqlDbType.Boolean, cancellationToken);
                await writer.WriteAsync(true, NpgsqlDbType.Boolean, cancellationToken);
            }

            await writer.CompleteAsync(cancellationToken);
        }

        await using (var writer = await connection.BeginBinaryImportAsync(
            "copy object (id, cache_id, key, kind, state, touched, nar_hash, nar_size, file_hash, file_size, recorded) from stdin (format binary)", cancellationToken))
        {
            for (var i = 0; i < Objects; i++)
            {
                var nar = i < Paths;
                var hash = Hash(i, 'p');
                await writer.StartRowAsync(cancellationToken);
                await writer.WriteAsync(ObjectId(i), NpgsqlDbType.Bigint, cancellationToken);
                await writer.WriteAsync(1, NpgsqlDbType.Integer, cancellationToken);
                await writer.WriteAsync(nar ? $"nar/{Convert.ToHexStringLower(hash)[..52]}.nar.zst"
                    : $"log/{Convert.ToHexStringLower(hash)[..32]}-package-with-a-name-{i}.drv", NpgsqlDbType.Text, cancellationToken);
                await writer.WriteAsync(nar ? "nar" : "log", NpgsqlDbType.Unknown, cancellationToken);
                await writer.WriteAsync("live", NpgsqlDbType.Unknown, cancellationToken);
                await writer.WriteAsync(1L, NpgsqlDbType.Bigint, cancellationToken);
                await WriteIfAsync(nar, hash, NpgsqlDbType.Bytea);
                await WriteIfAsync(nar, 100_000L, NpgsqlDbType.Bigint);
                await WriteIfAsync(nar, hash, NpgsqlDbType.Bytea);
                await WriteIfAsync(true, 30_000L, NpgsqlDbType.Bigint);
                await writer.WriteAsync(true, NpgsqlDbType.Boolean, cancellationToken);

                async Task WriteIfAsync<T>(bool condition, T value, NpgsqlDbType type) =>
                    await (condition ? writer.WriteAsync(value, type, cancellationToken) : writer.WriteNullAsync(cancellationToken));
            }

            await writer.CompleteAsync(cancellationToken);
        }

        await using (var writer = await connection.BeginBinaryImportAsync(
            "copy root (cache_id, path_id, pushed) from stdin (format binary)", cancellationToken))
        {
            for (var i = Block - 1; i < Paths; i += Block)
            {
                if (IsGarbage(i))
                    continue;
                await writer.StartRowAsync(cancellationToken);
                await writer.WriteAsync(1, NpgsqlDbType.Integer, cancellationToken);
                await writer.WriteAsync(PathId(i), NpgsqlDbType.Bigint, cancellationToken);
                await writer.WriteAsync(DateTime.UtcNow - (IsOld(i) ? OldAge : TimeSpan.Zero), NpgsqlDbType.TimestampTz, cancellationToken);
            }

            await writer.CompleteAsync(cancellationToken);
        }

        await MoveSequencesAsync(connection, cancellationToken);
    }

    /// <summary>New rows get ids beyond those that were given.</summary>
    private static async Task MoveSequencesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        const string Move =
            "select setval(pg_get_serial_sequence('store_path', 'id'), (select max(id) from store_path)), " +
            "setval(pg_get_serial_sequence('object', 'id'), (select max(id) from object))";
        await using var command = new NpgsqlCommand(Move, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The same graph as keys and arrays of keys in one table, as it would be without ids.</summary>
    public async Task WriteKeysAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using (var create =
            new NpgsqlCommand("create table closure_key (key text primary key, refs text[] not null, root boolean not null)", connection))
            await create.ExecuteNonQueryAsync(cancellationToken);
        await using var writer = await connection.BeginBinaryImportAsync(
            "copy closure_key (key, refs, root) from stdin (format binary)", cancellationToken);
        for (var i = 0; i < Paths; i++)
        {
            var others = ObjectNumbers(i).Select(o => Key(o, 'o')).ToList();
            await RowAsync(Key(i, 'p'), [.. ReferenceNumbers(i).Select(r => Key(r, 'p')), .. others], i % Block == Block - 1
                && !IsGarbage(i));
            foreach (var o in others)
                await RowAsync(o, [], false);
        }

        await writer.CompleteAsync(cancellationToken);

        async Task RowAsync(string key, string[] references, bool root)
        {
            await writer.StartRowAsync(cancellationToken);
            await writer.WriteAsync(key, NpgsqlDbType.Text, cancellationToken);
            await writer.WriteAsync(references, NpgsqlDbType.Text | NpgsqlDbType.Array, cancellationToken);
            await writer.WriteAsync(root, NpgsqlDbType.Boolean, cancellationToken);
        }
    }

    private static string Key(int number, char kind) => Convert.ToHexStringLower(Hash(number, kind))[..32]
        + (kind == 'p' ? ".narinfo" : ".nar.zst");

    private static bool IsGarbage(int path) => path / Block % GarbageBlocks == GarbageBlocks - 1;

    private static bool IsOld(int path) => path / Block % GarbageBlocks == GarbageBlocks / 2;

    private static long PathId(int number) => (long)number * Spread + 1 + Mix(number) % Spread;

    private static long ObjectId(int number) => (long)number * Spread + 1 + Mix(~number) % Spread;

    private static long[] ReferencesOf(int path) => [.. ReferenceNumbers(path).Select(PathId).Order()];

    private long[] ObjectsOf(int path) => [.. ObjectNumbers(path).Select(ObjectId)];

    private IEnumerable<int> ObjectNumbers(int path)
    {
        yield return path;
        for (var extra = Paths + path; extra < Objects; extra += Paths)
            yield return extra;
    }

    private static IEnumerable<int> ReferenceNumbers(int path)
    {
        var first = path / Block * Block;
        if (path % Block == Block - 1)
            return Enumerable.Range(first, Block - 1);
        var numbers = new HashSet<int>();
        for (uint n = 0; n < References && first > 0; n++)
        {
            var target = first - 1 - (int)(Mix(path * 31 + (int)n) % (uint)Math.Min(Window, first));
            if (!IsGarbage(target) && !IsOld(target))
                numbers.Add(target);
        }

        return numbers;
    }

    private static byte[] Hash(int number, char kind)
    {
        Span<byte> text = stackalloc byte[5];
        BitConverter.TryWriteBytes(text, number);
        text[4] = (byte)kind;
        return SHA256.HashData(text);
    }

    private static uint Mix(int value)
    {
        var x = (uint)value * 2654435761;
        x = (x ^ (x >> 16)) * 2246822519;
        return x ^ (x >> 13);
    }
}
