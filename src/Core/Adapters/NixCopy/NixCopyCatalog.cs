using Npgsql;
using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Adapters.NixCopy;

/// <summary>The transitions for stock Nix, typed: one method, one statement. One statement serves the promises of many requests.</summary>
internal sealed class NixCopyCatalog(CatalogDatabase database, PushOptions options) : IAsyncDisposable
{
    private readonly GroupCommit<Promise, Promised> _promises = new(new GroupOperation<Promise, Promised>
    {
        One = async (p, stop) => (await PromiseAsync(database, [p], options.HoldLife, grouped: false, stop))[0],
        Many = async (items, stop) => await PromiseAsync(database, items, options.HoldLife, grouped: items.Count > 1, stop),
        Key = p => $"{p.Cache} {p.Caller.Publisher} {p.Caller.Group} {p.Caller.Rank} {p.Caller.ReadsOthers} {p.Path} {p.File}",
        Weight = _ => 1,
        MaxGroupWeight = 500,
    });

    /// <summary>Holds a path or a NAR that is there. With neither, extends the credential's holds.</summary>
    public Task<Promised> PromiseAsync(int cache, Caller caller, StorePathHash? path, NarFileName? file,
        CancellationToken cancellationToken) =>
        _promises.SubmitAsync(new Promise(cache, caller, path, file), cancellationToken);

    /// <summary>Holds those of the paths that are there, in one statement; says of each whether it is. Some thousand at most.</summary>
    public async Task<IReadOnlyList<bool>> PromiseAsync(int cache, Caller caller, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken) =>
        [.. (await PromiseAsync(database, [.. paths.Select(p => new Promise(cache, caller, p, null))], options.HoldLife, grouped: false,
            cancellationToken)).Select(p => p.Present)];

    /// <exception cref="CacheProblemException"><see cref="ProblemKind.QuotaExceeded"/>.</exception>
    public Task<NarClaim> ClaimAsync(int cache, Caller caller, NarFileName name, ObjectKey key, Sha256Hash? narHash, long? narSize,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select push_id, object_id, key, exceeded from @fn@.nix_claim($1, $2, $3, $4, $5, $6, $9, $10, $7, $8, $11)",
            p => p.With(cache).WithCaller(caller).With(name.Text).With(key.ToString()).With(options.HoldLife).With(options.UrlLife)
                .WithNullable(narHash?.ToArray(), NpgsqlDbType.Bytea).WithNullable(narSize, NpgsqlDbType.Bigint).WithQuotas(options.Quotas),
            r =>
            {
                Quotas.Check(r.IsDBNull(3) ? null : r.GetString(3), caller);
                return new NarClaim(r.GetInt64(0), r.GetInt64(1), ObjectKey.Parse(r.GetString(2)));
            }, cancellationToken);

    /// <summary>Notes the multipart upload that was opened for a claim; false when the claim has ended.</summary>
    public Task<bool> NoteMultipartAsync(NarClaim claim, string multipart, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select multipart_id is not distinct from $3[1] from @fn@.upload_multiparts($1, $2, $3)",
            p => p.With(claim.Push).With(new[] { claim.Object }).With(new[] { multipart }), r => r.GetBoolean(0), cancellationToken);

    /// <summary>False: the claim has ended.</summary>
    public Task<bool> StoredAsync(int cache, Caller caller, NarClaim claim, NarFileName name, long fileSize, ReceivedNar nar,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.nix_stored($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            p => p.With(cache).With(claim.Push).With(claim.Object).With(name.Text).With(name.FileHash.ToArray()).With(fileSize)
                .With(nar.Hash.ToArray()).With(nar.Size)
                .WithNullable(nar.Seen?.Occurring.Select(h => h.ToArray()).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                .WithNullable(nar.Seen?.IsPartial, NpgsqlDbType.Boolean).WithTold(caller),
            r => r.GetBoolean(0), cancellationToken);

    public Task DropAsync(int cache, NarClaim claim, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.nix_drop($1, $2, $3)", p => p.With(cache).With(claim.Push).With(claim.Object), cancellationToken);

    public Task<NarInfoPut> PutAsync(int cache, Caller caller, NarInfo info, NarFileName file, string signatures, byte[] digest,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select outcome, @fn@.public_id(push_id), path_id, paths, nar_hash, nar_size, signatures, is_own from @fn@.nix_put($1, $2, " +
                "$3, $4, $5, $6, $7, $8, $9, $14, $15, $16, $17, $18, $19, $10, $11, $12, $13, $20, $21, $22, $23)",
            p => p.With(cache).WithCaller(caller).With(info.StorePath.Hash.ToArray()).With(info.StorePath.Name)
                .With(info.References.Select(r => r.Hash.ToArray()).ToArray())
                .With(info.NarHash.ToArray()).With(info.NarSize).With(signatures).With(digest)
                .With(options.HoldLife).With(options.CommitLease)
                .With(file.Text).With(file.FileHash.ToArray()).WithNullable(info.FileSize, NpgsqlDbType.Bigint)
                .WithNullable(info.Deriver?.BaseName, NpgsqlDbType.Text).WithNullable(info.Deriver?.Hash.ToArray(), NpgsqlDbType.Bytea)
                    .WithNullable(info.Ca?.ToString(), NpgsqlDbType.Text).WithAddress(caller).WithQuotas(options.Quotas)
                .With(info.References.Select(r => r.Name).ToArray()).WithTold(caller),
            ReadPut, cancellationToken);

    public Task<(AttachOutcome Outcome, PushId? Push)> AttachAsync(int cache, Caller caller, NixExtra extra,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select outcome, @fn@.public_id(push_id) from @fn@.nix_attach($1, $2, $3, $4, $5, $6, $7, $11, $8, $9, $10, $12)",
            p => p.With(cache).WithCaller(caller).With(extra.Key.ToString()).With(KindOf(extra.Kind))
                .With(extra.File?.ToArray() ?? extra.Path?.ToArray() ?? [])
                .With(extra.Content).With(options.HoldLife).With(options.CommitLease).WithNullable(extra.Kind == NixExtraKind.Log
                    ? extra.Key.ToString()["log/".Length..] : null, NpgsqlDbType.Text).WithAddress(caller),
            r => (OutcomeText.Parse<AttachOutcome>("nix_attach", r.GetString(0)), r.IsDBNull(1) ? (PushId?)null : new PushId(r.GetGuid(1))),
            cancellationToken);

    public async Task<byte[]?> WaitingAsync(int cache, Caller caller, ObjectKey key, CancellationToken cancellationToken) =>
        (await database.ListAsync("select c from @fn@.nix_waiting($1, $2, $3) c", p => p.With(cache).With(caller.Publisher)
            .With(key.ToString()), r => r.GetFieldValue<byte[]>(0), cancellationToken)).FirstOrDefault();

    public ValueTask DisposeAsync() => _promises.DisposeAsync();

    private static async Task<IReadOnlyList<Promised>> PromiseAsync(CatalogDatabase database, IReadOnlyList<Promise> items,
        TimeSpan life, bool grouped, CancellationToken cancellationToken)
    {
        // One cache at a time: nearly always there is one.
        var answers = new Promised[items.Count];
        foreach (var cache in items.Select((item, i) => (Item: item, Index: i)).GroupBy(x => x.Item.Cache))
        {
            var asked = cache.ToList();
            await database.RunAsync(
                "select item, present, key, file_size from @fn@.nix_promise($1, $2, $3, $4, $6, $7, $5, $8)",
                p => p.With(cache.Key).With(asked.Select(a => a.Item.Caller.Publisher).ToArray())
                    .With(asked.Select(a => a.Item.Caller.Group).ToArray())
                    .With(asked.Select(a => a.Item.Caller.Rank).ToArray()).With(life)
                    .WithNullable(asked.Select(a => a.Item.Path?.ToArray()).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                    .WithNullable(asked.Select(a => a.Item.File?.Text).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)
                    .WithNullable(asked.Select(a => a.Item.Caller.ReadsOthers ? null : a.Item.Caller.Publisher).ToArray(),
                        NpgsqlDbType.Array | NpgsqlDbType.Text),
                async (r, stop) =>
                {
                    while (await r.ReadAsync(stop))
                    {
                        var nar = r.IsDBNull(2) ? null : new NarFile(ObjectKey.Parse(r.GetString(2)), r.GetInt64(3));
                        answers[asked[r.GetInt32(0) - 1].Index] = new Promised(r.GetBoolean(1), nar);
                    }

                    return true;
                },
                cancellationToken, grouped);
        }

        return answers;
    }

    private static NarInfoPut ReadPut(NpgsqlDataReader r)
    {
        var quota = Quotas.TextOf(r.GetString(0));
        return new(
            quota is null ? OutcomeText.Parse<PutOutcome>("nix_put", r.GetString(0)) : PutOutcome.Quota, quota,
            r.IsDBNull(1) ? null : new PushId(r.GetGuid(1)), r.IsDBNull(2) ? 0 : r.GetInt64(2),
            r.IsDBNull(3) ? [] : [.. r.GetFieldValue<byte[][]>(3).Select(h => StorePathHash.FromBytes(h))],
            r.IsDBNull(4) ? null : Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(4)), r.IsDBNull(5) ? 0 : r.GetInt64(5),
            r.IsDBNull(6) ? [] : r.GetFieldValue<string[]>(6), !r.IsDBNull(7) && r.GetBoolean(7));
    }

    private static string KindOf(NixExtraKind kind) => kind switch
    {
        NixExtraKind.Listing => "listing",
        NixExtraKind.Log => "log",
        NixExtraKind.Realisation => "realisation",
        _ => "debuginfo",
    };

    private sealed record Promise(int Cache, Caller Caller, StorePathHash? Path, NarFileName? File);
}

internal sealed record Promised(bool Present, NarFile? Nar);

/// <param name="Seen">What stands in it, where a commit asks that.</param>
internal sealed record ReceivedNar(Sha256Hash Hash, long Size, NarFindings? Seen);

/// <param name="Push">The hold that it was claimed for; no client knows it.</param>
internal sealed record NarClaim(long Push, long Object, ObjectKey Key);

/// <param name="QuotaText">With <see cref="PutOutcome.Quota"/>: what <see cref="Quotas.Check"/> reads.</param>
/// <param name="Paths">With <see cref="PutOutcome.References"/>: which are missing; with <see cref="PutOutcome.Busy"/>: what is waited
/// for.</param>
internal sealed record NarInfoPut(PutOutcome Outcome, string? QuotaText, PushId? Push, long Path, IReadOnlyList<StorePathHash> Paths,
    Sha256Hash? NarHash, long NarSize, string[] Signatures, bool IsOwn);
