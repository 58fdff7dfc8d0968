using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Publish;

/// <summary>The transitions of publishing, typed: one method, one statement.</summary>
internal sealed class PublishCatalog(CatalogDatabase database)
{
    /// <summary>
    /// Reads the unwritten part of a push; or (null) up to <paramref name="limit"/> live paths of the cache whose narinfo has changed.
    /// </summary>
    public Task<PublishWork> ReadAsync(int cache, PushId? push, int limit, CancellationToken cancellationToken) =>
        database.RunAsync(
            "select kind, id, hash, name, nar_hash, nar_size, refs, deriver, ca, content, key, file_hash, file_size, generation, unsigned, boundary_hashes, " +
                "boundary_names " +
                "from @fn@." + (push is null ? "publish_changed($1, $2)" : "publish_list($1, @fn@.push_of($1, $3, null, true), $2)"),
            p =>
            {
                p.With(cache).With(limit);
                if (push is { } id)
                    p.With(id.Value);
            },
            async (r, stop) =>
            {
                var work = new PublishWork([], [], [], []);
                while (await r.ReadAsync(stop))
                {
                    var (kind, id) = (r.GetString(0), r.GetInt64(1));
                    if (kind == "object")
                    {
                        work.Objects.Add(new ObjectToWrite(id, r.GetInt64(13), ObjectKey.Parse(r.GetString(10)),
                            r.GetFieldValue<byte[]>(9)));
                        continue;
                    }

                    var path = new StorePath(StorePathHash.FromBytes(r.GetFieldValue<byte[]>(2)), r.GetString(3));
                    if (kind is "name" or "renamed")
                    {
                        work.Names.Add(id, path);
                        if (kind == "renamed")
                            work.Renamed.Add(id);
                        continue;
                    }

                    work.Paths.Add(new PathToWrite(
                        id, r.GetInt64(13), path, r.GetFieldValue<byte[]>(4), r.GetInt64(5), r.GetFieldValue<long[]>(6), r.IsDBNull(7)
                            ? null : r.GetString(7), r.IsDBNull(8) ? null : r.GetString(8),
                        r.IsDBNull(9) ? null : r.GetFieldValue<byte[]>(9), r.GetString(10), r.IsDBNull(11) ? null
                            : r.GetFieldValue<byte[]>(11), r.GetInt64(12), r.GetBoolean(14), PathToWrite.ReadBoundaries(r, 15)));
                }

                return work;
            },
            cancellationToken);

    /// <summary>
    /// Opens intents for rows that are still of the generation read and under no other fence; the answer leaves out the others.
    /// </summary>
    public Task<List<Intent>> IntendAsync(IReadOnlyList<PathToWrite> paths, IReadOnlyList<ObjectToWrite> objects, TimeSpan fence,
        TimeSpan fenceMargin, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select is_path, id, generation, fence, signatures from @fn@.publish_intend($1, $2, $3, $4, $5, $6)",
            p => p.With(paths.Select(x => x.Id).ToArray()).With(paths.Select(x => x.Generation).ToArray())
                .With(objects.Select(x => x.Id).ToArray()).With(objects.Select(x => x.Generation).ToArray()).With(fence).With(fenceMargin),
            r => new Intent(r.GetBoolean(0), r.GetInt64(1), r.GetInt64(2), r.GetDateTime(3), r.IsDBNull(4) ? []
                : r.GetFieldValue<string[]>(4)), cancellationToken);

    /// <summary>Closes intents whose writes were answered; the others stay open until their fence has passed.</summary>
    public Task RecordAsync(IReadOnlyList<(Intent Intent, bool Done)> answered, CancellationToken cancellationToken)
    {
        var paths = answered.Where(r => r.Intent.IsPath).ToList();
        var objects = answered.Where(r => !r.Intent.IsPath).ToList();
        return database.RunAsync(
            "select @fn@.publish_record($1, $2, $3, $4, $5, $6)",
            p => p.With(paths.Select(r => r.Intent.Id).ToArray()).With(paths.Select(r => r.Intent.Generation).ToArray())
                .With(paths.Select(r => r.Done).ToArray())
                .With(objects.Select(r => r.Intent.Id).ToArray()).With(objects.Select(r => r.Intent.Generation).ToArray())
                    .With(objects.Select(r => r.Done).ToArray()),
            cancellationToken);
    }

    /// <summary>Replaces the signatures of our own keys, where the cache's policy lets the path be signed.</summary>
    public Task ResignAsync(int cache, IReadOnlyList<PathToWrite> paths, string[] signatures, string[] ownNames,
        CancellationToken cancellationToken) =>
        database.RunAsync(
            "select @fn@.resign($1, $2, $3, $4, $5)",
            p => p.With(cache).With(paths.Select(x => x.Id).ToArray()).With(paths.Select(x => x.Generation).ToArray()).With(signatures)
                .With(ownNames), cancellationToken);

    /// <summary>Marks paths without a signature of our own keys that may have one by now.</summary>
    public Task MarkSignableAsync(int cache, int limit, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.mark_signable($1, $2)", p => p.With(cache).With(limit), cancellationToken);

    public Task AddSignaturesAsync(int cache, IReadOnlyList<(long Path, string Signatures)> added, CancellationToken cancellationToken) =>
        database.RunAsync(
            "select @fn@.add_signatures($1, $2, $3)",
            p => p.With(cache).With(added.Select(a => a.Path).ToArray()).With(added.Select(a => a.Signatures).ToArray()),
                cancellationToken);

    /// <summary>Extends the lease of this push: a server still publishes it.</summary>
    public Task KeepLeaseAsync(int cache, PushId push, TimeSpan lease, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.lease_commits($1, @fn@.push_of($1, $2, null, true), $3, 1)", p => p.With(cache).With(push.Value)
            .With(lease), cancellationToken);

    /// <summary>Takes the lease of committing pushes whose lease has run out.</summary>
    public Task<List<PushId>> TakeSilentAsync(int cache, TimeSpan lease, int limit, CancellationToken cancellationToken) =>
        database.ListAsync(
            "select * from @fn@.lease_commits($1, null, $2, $3)", p => p.With(cache).With(lease).With(limit), r =>
                new PushId(r.GetGuid(0)), cancellationToken);

    public Task<FinishOutcome> FinishAsync(int cache, PushId push, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.finish_push($1, @fn@.push_of($1, $2, $3, $4))",
            p => p.With(cache).WithPush(new OwnPush(push, Caller.Server)),
            r => OutcomeText.Parse<FinishOutcome>("finish_push", r.GetString(0)),
            cancellationToken);

    /// <summary>
    /// The time of the last change of a name that was not handled yet, and the cache's last path; null when there is none.
    /// </summary>
    public Task<(DateTime? Seen, long Last)> SeeRenamesAsync(int cache, CancellationToken cancellationToken) =>
        database.SingleAsync("select seen, last from @fn@.see_renames($1)", p => p.With(cache), r => r.IsDBNull(0) ? ((DateTime?)null, 0L)
            : (r.GetDateTime(0), r.GetInt64(1)), cancellationToken);

    /// <summary>Those of the paths between these ids whose narinfo has a reference's former name.</summary>
    public Task<long[]> MisprintedAsync(int cache, long above, long through, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.misprinted_paths($1, null, $2, $3)", p => p.With(cache).With(above).With(through), r =>
            r.GetFieldValue<long[]>(0), cancellationToken);

    public Task MarkMisprintedAsync(int cache, long[] paths, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.mark_misprinted($1, $2)", p => p.With(cache).With(paths), cancellationToken);

    /// <summary>Marks paths whose narinfo has a former name of a path of the push.</summary>
    public Task MarkMisprintedOfAsync(int cache, PushId push, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.mark_misprinted_of($1, @fn@.push_of($1, $2, null, true))", p => p.With(cache)
            .With(push.Value), cancellationToken);

    public Task EndRenamesAsync(int cache, DateTime seen, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.end_renames($1, $2)", p => p.With(cache).With(seen), cancellationToken);
}

/// <summary>The open write of a row's object: until the fence no other process writes it.</summary>
/// <param name="Signatures">Of a path: those that its narinfo is to have.</param>
internal sealed record Intent(bool IsPath, long Id, long Generation, DateTime Fence, string[] Signatures);
