using NpgsqlTypes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Core.Common;
using OrleansCache.Nix;

namespace OrleansCache.Core.Verify;

/// <summary>
/// The transitions of verification, typed: one method, one statement. <c>verification.sql</c> and <c>proofs.sql</c> have the rules.
/// </summary>
internal sealed class VerificationCatalog(CatalogDatabase database)
{
    // What was read less than this ago is not scrubbed, and a round over all paths begins no sooner after the last one.
    private static readonly TimeSpan Fresh = TimeSpan.FromDays(7);

    /// <summary>Sets the policy of all caches. Returns those for which that is a change, with their former <c>--verify</c>.</summary>
    public Task<List<(string Cache, VerifyPolicy Former)>> SetPolicyAsync(VerifyPolicy policy, bool distrustsLegacy,
        CancellationToken cancellationToken) =>
        database.ListAsync("select name, former from @fn@.set_policy($1, $2)", p => p.With(OutcomeText.Of(policy)).With(distrustsLegacy),
            r => (r.GetString(0), OutcomeText.Parse<VerifyPolicy>("set_policy", r.GetString(1))), cancellationToken);

    /// <param name="cache">The cache.</param>
    /// <param name="max">So many at most.</param>
    /// <param name="lease">For so long nobody else takes them.</param>
    /// <param name="after">Only what was asked for so long ago.</param>
    /// <param name="busy">Publishers whose turn it is not.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public Task<List<VerificationTask>> TakeAsync(int cache, int max, TimeSpan lease, TimeSpan after, int[] busy,
        CancellationToken cancellationToken) =>
        database.ListAsync(
            "select object_id, key, nar_hash, nar_size, hashes, addresses, wants_listing, publisher, " +
                "generation, turn_of, refused from @fn@.take_verifications($1, $2, $3, $4, $5)",
            p => p.With(cache).With(max).With(lease).With(after).With(busy),
            r => new VerificationTask(
                r.GetInt64(0), ObjectKey.Parse(r.GetString(1)), Sha256Hash.FromBytes(r.GetFieldValue<byte[]>(2)), r.GetInt64(3),
                [.. r.GetFieldValue<byte[][]>(4).Select(h => StorePathHash.FromBytes(h))], r.GetFieldValue<string[]>(5), r.GetBoolean(6),
                r.IsDBNull(7) ? "legacy" : r.GetString(7), r.GetInt64(8), r.GetInt32(9), r.GetBoolean(10)),
            cancellationToken);

    public Task RenewAsync(int cache, long[] objects, TimeSpan lease, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.renew_verifications($1, $2, $3)", p => p.With(cache).With(objects).With(lease),
            cancellationToken);

    public Task PostponeAsync(int cache, long target, string trouble, CancellationToken cancellationToken) =>
        database.RunAsync("select @fn@.postpone_verification($1, $2, $3)", p => p.With(cache).With(target).With(trouble),
            cancellationToken);

    /// <summary>What was read, of many objects in one statement.</summary>
    public Task RecordAsync(int cache, IReadOnlyList<(VerificationTask Task, NarProof Proof)> items, bool grouped,
        CancellationToken cancellationToken)
    {
        return database.RunAsync(
            "select @fn@.record_proofs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            p => p.With(cache).With(Of(i => i.Task.Object)).With(Of(i => i.Task.Generation))
                .With(Of(i => i.Proof.FileHash.ToArray()))
                .With(Of(i => i.Task.Hashes.Count)).With(All(i => i.Task.Hashes.Select(h => h.ToArray())))
                .With(Of(i => i.Task.Addresses.Length)).With(All(i => i.Task.Addresses))
                .With(Of(i => i.Proof.Occurring.Count)).With(All(i => i.Proof.Occurring.Select(h => h.ToArray())))
                .With(Of(i => i.Proof.IsPartial))
                .With(Of(i => i.Proof.Addresses.Count)).With(All(i => i.Proof.Addresses))
                .With(Of(i => i.Proof.FalseAddresses.Count)).With(All(i => i.Proof.FalseAddresses))
                .WithNullable(Of(i => i.Proof.Listing), NpgsqlDbType.Array | NpgsqlDbType.Bytea),
            static (_, _) => Task.FromResult(true), cancellationToken, grouped);

        T[] Of<T>(Func<(VerificationTask Task, NarProof Proof), T> pick) => [.. items.Select(pick)];
        T[] All<T>(Func<(VerificationTask Task, NarProof Proof), IEnumerable<T>> pick) => [.. items.SelectMany(pick)];
    }

    /// <summary>Nothing more is to be done for it.</summary>
    public Task ForgetAsync(int cache, long target, CancellationToken cancellationToken) =>
        database.RunAsync("delete from verification v where v.cache_id = $1 and v.object_id = $2", p => p.With(cache).With(target),
            cancellationToken);

    /// <summary>True: paths have this object, and are to be withdrawn.</summary>
    public Task<bool> RefuseAsync(int cache, VerificationTask task, string reason, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.refuse_object($1, $2, $3, $4)",
            p => p.With(cache).With(task.Object).With(task.Generation).With(reason), r => r.GetBoolean(0), cancellationToken);

    public Task<int> LeftAsync(int cache, OwnPush push, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.verifications_left($1, @fn@.push_of($1, $2, $3, $4, true))", p => p.With(cache).WithPush(push),
            r => r.GetInt32(0), cancellationToken);

    public Task<VerificationsLeft> ProgressAsync(int cache, OwnPush push, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select nars, bytes, ahead, trouble from @fn@.verification_progress($1, @fn@.push_of($1, $2, $3, $4, true))",
            p => p.With(cache).WithPush(push),
            r => new VerificationsLeft(r.GetInt32(0), r.GetInt64(1), r.GetInt64(2), r.IsDBNull(3) ? null : r.GetString(3)),
            cancellationToken);

    /// <summary>Asks for the scrub's next paths; the bytes asked for, or null when it is not this process's turn.</summary>
    public Task<long?> ScrubAsync(int cache, int max, TimeSpan lease, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.scrub($1, $2, $3, $4)", p => p.With(cache).With(max).With(Fresh).With(lease),
            r => r.IsDBNull(0) ? (long?)null : r.GetInt64(0), cancellationToken);

    /// <summary>The next turn of the scrub, for all servers.</summary>
    public Task PauseScrubAsync(int cache, TimeSpan pause, CancellationToken cancellationToken) =>
        database.RunAsync("update cache set scrub_lease = clock_timestamp() + $2 where id = $1", p => p.With(cache).With(pause),
            cancellationToken);
}

/// <summary>An object that this process is to read.</summary>
/// <param name="Hashes">Declared references, and the hashes of the paths themselves.</param>
/// <param name="Addresses">Declared content addresses, each behind the hash of its path (hexadecimal) and a space.</param>
/// <param name="Publisher">Who brought it.</param>
/// <param name="Generation">Of the object: a deletion raises it.</param>
/// <param name="Turn">The publisher in whose turn it is read.</param>
/// <param name="IsRefused">It was refused before, and its paths are still to be withdrawn.</param>
internal sealed record VerificationTask(
    long Object, ObjectKey Key, Sha256Hash NarHash, long NarSize, IReadOnlyList<StorePathHash> Hashes, string[] Addresses,
    bool WantsListing, string Publisher, long Generation, int Turn, bool IsRefused);

/// <summary>What the bytes of a verified object say, as <c>proof</c> in <c>015-verification.sql</c> has it.</summary>
internal sealed record NarProof(
    Sha256Hash FileHash, IReadOnlyList<StorePathHash> Occurring, bool IsPartial,
    IReadOnlyList<string> Addresses, IReadOnlyList<string> FalseAddresses, byte[]? Listing);

/// <param name="Nars">Of the push.</param>
/// <param name="Bytes">Their stored size.</param>
/// <param name="Ahead">Bytes that were asked for before.</param>
/// <param name="Trouble">Why the store cannot be read, if it cannot.</param>
internal sealed record VerificationsLeft(int Nars, long Bytes, long Ahead, string? Trouble);
