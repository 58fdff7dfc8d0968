using System.Collections.Concurrent;
using System.Data;
using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Pushes;

/// <summary>
/// The same transitions, with the steps of many pushes in one statement (<c>groups.sql</c>). Each push gets the same answer as without
/// groups. The steps of who may not read a private cache go alone.
/// </summary>
internal sealed class GroupedPushCatalog(CatalogDatabase database, PushOptions options) : PushCatalog(database), IAsyncDisposable
{
    private const int LargeCommit = 500;
    private const int TypicalCommit = 50;
    private readonly CatalogDatabase _database = database;
    private readonly ConcurrentDictionary<int, Lazy<Groups>> _groups = new();

    public override Task<OpenedPush> OpenAsync(int cache, Opening opening, CancellationToken cancellationToken) =>
        opening.Push.Caller.ReadsOthers ? Of(cache).Open.SubmitAsync(opening, cancellationToken)
            : base.OpenAsync(cache, opening, cancellationToken);

    /// <summary>A claim without declarations comes from a wait and is rare, so it goes alone.</summary>
    public override Task<List<Claim>> ClaimAsync(
        int cache, OwnPush push, IReadOnlyList<long> paths, IReadOnlyList<Declaration>? declarations, IReadOnlyList<ObjectKey> keys,
        PushOptions pushOptions, CancellationToken cancellationToken) =>
        declarations is null || !push.Caller.ReadsOthers
            ? base.ClaimAsync(cache, push, paths, declarations, keys, pushOptions, cancellationToken)
            : Of(cache).Claim.SubmitAsync(new Claiming(push, paths, declarations, keys), cancellationToken);

    public override Task<List<Claim>> WaitAsync(int cache, OwnPush push, IReadOnlyList<StorePathHash> paths, IReadOnlyList<ObjectKey> keys,
        PushOptions pushOptions, CancellationToken cancellationToken) =>
        push.Caller.ReadsOthers ? Of(cache).Wait.SubmitAsync(new Waiting(push, paths, keys), cancellationToken)
            : base.WaitAsync(cache, push, paths, keys, pushOptions, cancellationToken);

    public override Task<List<(long Upload, UploadOutcome Outcome)>> ReportAsync(
        int cache, OwnPush push, IReadOnlyList<CheckedUpload> uploads, IReadOnlyList<(StorePathHash Path, byte[] Content)> listings,
        IReadOnlyList<ExtraObject> extras, bool verified, CancellationToken cancellationToken) =>
        Of(cache).Report.SubmitAsync(new Reporting(push, uploads, listings, extras, verified), cancellationToken);

    public override async Task<Committed> CommitAsync(int cache, OwnPush push, TimeSpan lease, CancellationToken cancellationToken)
    {
        if (!push.Caller.ReadsOthers)
            return await base.CommitAsync(cache, push, lease, cancellationToken);
        var committed = await Of(cache).Commit.SubmitAsync((push, lease), cancellationToken);
        return committed.Outcome == CommitOutcome.Large ? await base.CommitAsync(cache, push, lease, cancellationToken) : committed;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var groups in _groups.Values.Where(g => g.IsValueCreated))
            await groups.Value.DisposeAsync();
    }

    private Groups Of(int cache) => _groups.GetOrAdd(cache, c => new Lazy<Groups>(() => new Groups(
        new(new GroupOperation<Opening, OpenedPush>
        {
            One = (o, stop) => base.OpenAsync(c, o, stop),
            Many = (items, stop) => OpenAsync(c, items, stop),
            Key = o => o.Operation,
            Weight = o => o.Paths.Count,
        }),
        new(new GroupOperation<Claiming, List<Claim>>
        {
            One = (o, stop) => base.ClaimAsync(c, o.Push, o.Paths, o.Declarations, o.Keys, options, stop),
            Many = (items, stop) => ClaimAsync(c, items, stop),
            Key = o => o.Push.Id.ToString(),
            Weight = o => o.Paths.Count,
        }),
        new(new GroupOperation<Waiting, List<Claim>>
        {
            One = (o, stop) => base.WaitAsync(c, o.Push, o.Paths, o.Keys, options, stop),
            Many = (items, stop) => WaitAsync(c, items, stop),
            Key = o => o.Push.Id.ToString(),
            Weight = o => o.Paths.Count,
        }),
        new(new GroupOperation<Reporting, List<(long, UploadOutcome)>>
        {
            One = (o, stop) => base.ReportAsync(c, o.Push, o.Uploads, o.Listings, o.Extras, o.Verified, stop),
            Many = (items, stop) => ReportAsync(c, items, stop),
            Key = o => o.Push.Id.ToString(),
            // A client that reports each NAR by itself has many reports under way, all on its push's row.
            SharesKeys = true,
            Weight = o => o.Uploads.Count + o.Listings.Count + o.Extras.Count,
        }),
        new(new GroupOperation<(OwnPush Push, TimeSpan Lease), Committed>
        {
            One = (o, stop) => base.CommitAsync(c, o.Push, o.Lease, stop),
            Many = (items, stop) => CommitAsync(c, items, stop),
            Key = o => o.Push.Id.ToString(),
            // Only the catalog knows the size of a commit, and it keeps large ones out of groups.
            Weight = _ => TypicalCommit,
        })))).Value;

    private async Task<IReadOnlyList<OpenedPush>> OpenAsync(int cache, IReadOnlyList<Opening> items, CancellationToken cancellationToken)
    {
        var paths = items.SelectMany(i => i.Paths).ToList();
        // A path that several items name is told once.
        var shared = new Dictionary<StorePathHash, OpenedPath>();
        var opened = await _database.RunAsync(
            "select * from @fn@.open_pushes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            p => p.With(cache).With(items.Select(i => i.Operation).ToArray()).With(items.Select(i => i.Digest).ToArray())
                .With(items[0].Life)
                .With(items.Select(i => i.Paths.Count).ToArray()).With(paths.Select(h => h.ToArray()).ToArray())
                .With(items.Select(i => i.Roots.Length).ToArray()).With(items.SelectMany(i => i.Roots).ToArray())
                .With(items.Select(i => i.Keys.Count).ToArray()).With(items.SelectMany(i => i.Keys).ToArray())
                .WithNullable(items.Select(i => i.PinText).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .With(items.Select(i => i.Push.Id.Value).ToArray()).With(items.Select(i => i.Push.Caller.Publisher).ToArray())
                .With(items.Select(i => i.Push.Caller.Group).ToArray()).With(items.Select(i => i.Push.Caller.Rank).ToArray())
                .WithNullable(items.Select(i => i.Committers is null ? null : string.Join(' ', i.Committers)).ToArray(),
                    NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(
                    items.Any(i => i.Pin is not null) ? items.SelectMany(i => i.Pin is null ? new byte[i.Paths.Count][] : i.PathDigests!)
                        .ToArray() : null, NpgsqlDbType.Array | NpgsqlDbType.Bytea).WithQuotas(options.Quotas),
            async (reader, stop) =>
            {
                var outcomes = new OpenedPush?[items.Count];
                shared.Clear();
                while (await reader.ReadAsync(stop))
                {
                    if (reader.IsDBNull(0))
                    {
                        var places = Array<int>(reader, 14);
                        foreach (var path in ReadOpenedPaths(reader, 1))
                            shared[paths[places[path.Index] - 1]] = path;
                    }
                    else if (outcomes[reader.GetInt32(0) - 1] is { } fresh)
                        fresh.MissingKeys.AddRange(Array<string>(reader, 11));
                    else
                    {
                        var push = outcomes[reader.GetInt32(0) - 1] = ReadOpened(reader, 1, "open_pushes");
                        push.Paths.AddRange(ReadOpenedPaths(reader, 1));
                    }
                }

                return Whole(outcomes);
            }, cancellationToken, grouped: true);
        for (var i = 0; i < items.Count; i++)
        {
            if (opened[i] is { Outcome: OpenOutcome.Open, Paths.Count: 0 })
                opened[i].Paths.AddRange(items[i].Paths.Select((path, index) => shared[path] with { Index = index }));
        }

        return opened;
    }

    private Task<IReadOnlyList<List<Claim>>> ClaimAsync(int cache, IReadOnlyList<Claiming> items, CancellationToken cancellationToken)
    {
        var declarations = items.SelectMany(i => i.Declarations).ToList();
        return ListAsync(
            "select * from @fn@.claim_pushes($1, @fn@.pushes_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, " +
                "$17, $18, $19, $20, $21, $22)",
            p => p.With(cache).WithPushes(items, i => i.Push).With(items.Select(i => i.Paths.Count).ToArray())
                .With(items.SelectMany(i => i.Paths).ToArray())
                .With(declarations.Select(d => d.Name).ToArray()).With(declarations.Select(d => d.NarHash.ToArray()).ToArray())
                    .With(declarations.Select(d => d.NarSize).ToArray())
                .With(declarations.Select(d => d.References.Count).ToArray())
                    .With(items.Select(i => i.Declarations.Sum(d => d.References.Count)).ToArray())
                .With(declarations.SelectMany(d => d.References).ToArray())
                .WithNullable(declarations.Select(d => d.Deriver).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .WithNullable(declarations.Select(d => d.Ca).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                .With(declarations.Select(d => d.Signatures).ToArray())
                .WithNullable(declarations.Select(d => d.Digest).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                    .With(declarations.Select(d => d.Supersedes).ToArray())
                .With(items.SelectMany(i => i.Keys).Select(k => k.ToString()).ToArray()).With(options.UrlLife).With(options.DefaultRate)
                    .WithQuotas(options.Quotas)
                .WithNullable(declarations.Select(d => d.ElsewhereText).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text),
            items.Count, static r => ReadClaim(r, 1, "claim_pushes"), cancellationToken);
    }

    private Task<IReadOnlyList<List<Claim>>> WaitAsync(int cache, IReadOnlyList<Waiting> items,
        CancellationToken cancellationToken) => ListAsync(
        "select * from @fn@.wait_pushes($1, @fn@.pushes_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10)",
        p => p.With(cache).WithPushes(items, i => i.Push).With(items.Select(i => i.Paths.Count).ToArray())
            .With(items.SelectMany(i => i.Paths).Select(h => h.ToArray()).ToArray())
            .With(items.SelectMany(i => i.Keys).Select(k => k.ToString()).ToArray()).With(options.UrlLife).With(options.DefaultRate)
            .WithQuotas(options.Quotas),
        items.Count, static r => ReadClaim(r, 1, "wait_pushes"), cancellationToken);

    private Task<IReadOnlyList<List<(long, UploadOutcome)>>> ReportAsync(int cache, IReadOnlyList<Reporting> items,
        CancellationToken cancellationToken)
    {
        var uploads = items.SelectMany(i => i.Uploads).ToList();
        var listings = items.SelectMany(i => i.Listings).ToList();
        var extras = items.SelectMany(i => i.Extras).ToList();
        return ListAsync(
            "select * from @fn@.report_pushes($1, @fn@.pushes_of($1, $2, $3, $4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, " +
                "$17, $18, $19, $20, $21, $22)",
            p => p.With(cache).WithPushes(items, i => i.Push)
                .With(items.Select(i => i.Uploads.Count).ToArray()).With(uploads.Select(u => u.GrantId.Object).ToArray())
                    .With(uploads.Select(u => u.GrantId.Key.ToString()).ToArray())
                .With(uploads.Select(u => u.GrantId.NarHash.ToArray()).ToArray()).With(uploads.Select(u => u.FileHash?.ToArray()).ToArray())
                    .With(uploads.Select(u => u.FileSize).ToArray())
                .With(items.Select(i => i.Listings.Count).ToArray()).With(listings.Select(l => l.Path.ToArray()).ToArray())
                    .With(listings.Select(l => l.Content).ToArray())
                .With(items.Select(i => i.Extras.Count).ToArray()).With(extras.Select(e => e.Key.ToString()).ToArray())
                    .With(extras.Select(e => e.Kind).ToArray())
                .With(extras.Select(e => e.Content).ToArray()).With(extras.Select(e => e.Path.ToArray()).ToArray()).With(items[0].Verified)
                .WithFindings(uploads),
            items.Count, static r => ReadUpload(r, 1, "report_pushes"), cancellationToken);
    }

    private Task<IReadOnlyList<Committed>> CommitAsync(int cache, IReadOnlyList<(OwnPush Push, TimeSpan Lease)> items,
        CancellationToken cancellationToken) => AskAsync<Committed>(
        "select item, outcome, paths, published, pin, conflicts from @fn@.commit_pushes($1, @fn@.pushes_of($1, $2, $3, $4, true), $5, $6, $3, $7)",
        p => p.With(cache).WithPushes(items, i => i.Push).With(LargeCommit).With(items[0].Lease)
            .WithNullable(items.Select(i => i.Push.Caller.Address).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text), items.Count,
            static (r, _) => ReadCommitted(r, 1, "commit_pushes"), cancellationToken);

    // Each row begins with the number of its item.
    private async Task<IReadOnlyList<T>> AskAsync<T>(string sql, Action<NpgsqlParameterCollection> bind, int count,
        Func<NpgsqlDataReader, T?, T> add, CancellationToken cancellationToken) where T : class =>
        await _database.RunAsync(sql, bind, async (reader, stop) =>
        {
            var outcomes = new T?[count];
            while (await reader.ReadAsync(stop))
            {
                var item = reader.GetInt32(0) - 1;
                outcomes[item] = add(reader, outcomes[item]);
            }

            return Whole(outcomes);
        }, cancellationToken, grouped: true);

    private static T[] Whole<T>(T?[] outcomes) where T : class =>
        [.. outcomes.Select(o => o ?? throw new DataException("the statement answered no row of an item"))];

    private async Task<IReadOnlyList<List<T>>> ListAsync<T>(string sql, Action<NpgsqlParameterCollection> bind, int count,
        Func<NpgsqlDataReader, T> row, CancellationToken cancellationToken) =>
        await _database.RunAsync(sql, bind, async (reader, stop) =>
        {
            var outcomes = Enumerable.Range(0, count).Select(_ => new List<T>()).ToArray();
            while (await reader.ReadAsync(stop))
                outcomes[reader.GetInt32(0) - 1].Add(row(reader));
            return outcomes;
        }, cancellationToken, grouped: true);

    private sealed record Claiming(OwnPush Push, IReadOnlyList<long> Paths, IReadOnlyList<Declaration> Declarations,
        IReadOnlyList<ObjectKey> Keys);

    private sealed record Waiting(OwnPush Push, IReadOnlyList<StorePathHash> Paths, IReadOnlyList<ObjectKey> Keys);

    private sealed record Reporting(
        OwnPush Push, IReadOnlyList<CheckedUpload> Uploads, IReadOnlyList<(StorePathHash Path, byte[] Content)> Listings,
        IReadOnlyList<ExtraObject> Extras, bool Verified);

    private sealed record Groups(
        GroupCommit<Opening, OpenedPush> Open, GroupCommit<Claiming, List<Claim>> Claim, GroupCommit<Waiting, List<Claim>> Wait,
        GroupCommit<Reporting, List<(long, UploadOutcome)>> Report, GroupCommit<(OwnPush Push, TimeSpan Lease), Committed> Commit)
            : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Open.DisposeAsync();
            await Claim.DisposeAsync();
            await Wait.DisposeAsync();
            await Report.DisposeAsync();
            await Commit.DisposeAsync();
        }
    }
}
