using System.Buffers;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;

namespace OrleansCache.Core.Subjects;

/// <summary>
/// Blocks as rows of the catalog. No process keeps them in memory: each request of an identity costs one indexed read, and a block needs no
/// message.
/// </summary>
internal sealed class CatalogSubjects(CacheDirectory caches, CatalogDatabase database) : ISubjects
{
    private const int MaxPattern = 512;
    private const int MaxReason = 1000;
    private const int MaxTurns = 10;
    private const string Columns = "b.id, b.pattern, b.reason, b.created_by, b.created, b.lifted, b.lifted_by";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    // What publishers' names are made of, and the two that stand for others.
    private static readonly SearchValues<char> PatternCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@-/+%,*?");

    public async Task<Blocked> BlockAsync(CacheName cache, BlockSubjects request, Caller caller, CancellationToken cancellationToken)
    {
        var id = caches.IdOf(cache);
        Check(request);
        var block = await database.SingleAsync($"select {Columns} from @fn@.block_subjects($1, $2, $5, $3, $4) b",
            p => p.With(id).With(request.Pattern).With(caller.Publisher).WithAddress(caller)
                .WithNullable(request.Reason is { Length: > 0 } reason ? reason : null, NpgsqlDbType.Text),
            Read, cancellationToken);
        // One with a request under way ends after it, and one that was begun meanwhile follows: the housekeeper looks for them, too.
        var ended = 0;
        for (var turn = 0; ; turn++)
        {
            var (now, left) = await EndPushesAsync(id, cancellationToken);
            ended += now;
            if (left == 0 || turn == MaxTurns)
                break;
            await Task.Delay(Pause, cancellationToken);
        }

        return new Blocked { Block = block, EndedPushes = ended };
    }

    public async Task UnblockAsync(CacheName cache, long block, Caller caller, CancellationToken cancellationToken)
    {
        if (!await database.SingleAsync("select @fn@.unblock_subjects($1, $2, $3, $4)",
            p => p.With(caches.IdOf(cache)).With(block).With(caller.Publisher).WithAddress(caller), r => r.GetBoolean(0),
            cancellationToken))
            throw new CacheProblemException(ProblemKind.UnknownBlock,
                $"There is no block {block.ToString(CultureInfo.InvariantCulture)} in cache '{cache}'.");
    }

    public async Task<BlockList> ListAsync(CacheName cache, bool liftedToo, CancellationToken cancellationToken) => new()
    {
        Blocks = await database.ListAsync(
            $"select {Columns} from block b where b.cache_id = $1 and (b.lifted is null or $2) order by b.id desc",
            p => p.With(caches.IdOf(cache)).With(liftedToo), Read, cancellationToken),
    };

    public async Task<SubjectBlock?> FindAsync(CacheName cache, string publisher, CancellationToken cancellationToken) =>
        (await database.ListAsync("select f.pattern, f.reason from cache c, @fn@.block_of(c.id, $2) f where c.name = $1",
            p => p.With(cache.ToString()).With(publisher), r => new SubjectBlock(r.GetString(0), r.IsDBNull(1) ? null : r.GetString(1)),
            cancellationToken)).FirstOrDefault();

    /// <summary>Ends the open pushes of blocked publishers, a transaction each, so that none waits for another's objects.</summary>
    /// <returns>How many were ended, and how many have a request under way.</returns>
    public async Task<(int Ended, int Left)> EndPushesAsync(int cache, CancellationToken cancellationToken)
    {
        var open = await database.SingleAsync("select @fn@.blocked_pushes($1)", p => p.With(cache), r => r.GetFieldValue<long[]>(0),
            cancellationToken);
        var ended = 0;
        foreach (var push in open)
            ended += await database.SingleAsync("select @fn@.end_pushes($1, $2, '0', 1)", p => p.With(cache).With(push), r => r.GetInt32(0),
                cancellationToken);
        return (ended, open.Length - ended);
    }

    private static void Check(BlockSubjects request)
    {
        if (request.Pattern.Length is 0 or > MaxPattern || request.Pattern.AsSpan().ContainsAnyExcept(PatternCharacters))
            throw Bad($"pattern is 1 to {MaxPattern} characters of a publisher's name, such as 'oidc:ci/1296269' or 'token:7', with '*' for " +
                "any characters and '?' for one.");
        if (request.Pattern.StartsWith("file:", StringComparison.Ordinal))
            throw Bad("The tokens of the token file are not blocked, since they need no database: remove the line from the file, and start " +
                "the servers again.");
        if (request.Reason is { } reason && (reason.Length > MaxReason || reason.Any(char.IsControl)))
            throw Bad($"reason is at most {MaxReason} characters on one line.");
    }

    private static CacheProblemException Bad(string message) => new(ProblemKind.BadRequest, message);

    private static Block Read(NpgsqlDataReader r) => new()
    {
        Id = r.GetInt64(0),
        Pattern = r.GetString(1),
        Reason = r.IsDBNull(2) ? null : r.GetString(2),
        CreatedBy = r.GetString(3),
        Created = r.GetDateTime(4),
        Lifted = r.IsDBNull(5) ? null : r.GetDateTime(5),
        LiftedBy = r.IsDBNull(6) ? null : r.GetString(6),
    };
}
