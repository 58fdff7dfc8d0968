using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The transitions of keys, typed: one method, one statement.</summary>
internal sealed class KeyCatalog(CatalogDatabase database)
{
    public Task<KeyOutcome> AddAsync(int cache, SecretKey key, bool replaces, Caller caller, CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.add_key($1, $2, $3, $4, $5, $6, $7)",
            p => p.With(cache).With(key.Name).With(key.PublicKey.ToString()).With(key.Export()).With(replaces).With(caller.Publisher)
                .WithAddress(caller),
            r => OutcomeText.Parse<KeyOutcome>("add_key", r.GetString(0)), cancellationToken);

    /// <param name="otherFiles">How many keys in files of the servers sign, but for this one.</param>
    public Task<KeyOutcome> SetAsync(int cache, string name, string publicKey, SetKey request, int otherFiles, Caller caller,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.set_key($1, $2, $3, $4, $5, $6, $7, $8)",
            p => p.With(cache).With(name).With(publicKey).With(OutcomeText.Of(request.State)).With(otherFiles).With(request.Force)
                .With(caller.Publisher).WithAddress(caller),
            r => OutcomeText.Parse<KeyOutcome>("set_key", r.GetString(0)), cancellationToken);

    public Task<SigningStep> SignAnewAsync(int cache, int limit, long window, TimeSpan settle, IReadOnlyList<PublicKey> files,
        CancellationToken cancellationToken) =>
        database.SingleAsync(
            "select @fn@.sign_anew($1, $2, $3, $4, $5, $6)",
            p => p.With(cache).With(limit).With(window).With(settle).With(files.Select(f => f.Name).ToArray())
                .With(files.Select(f => f.ToString()).ToArray()),
            r => OutcomeText.Parse<SigningStep>("sign_anew", r.GetString(0)), cancellationToken);

    public async Task<Dictionary<string, double>> ProgressAsync(int cache, CancellationToken cancellationToken) =>
        (await database.ListAsync("select name, progress from @fn@.signing_progress($1)", p => p.With(cache), r =>
            (Name: r.GetString(0), Progress: r.GetDouble(1)), cancellationToken))
        .ToDictionary(k => k.Name, k => k.Progress, StringComparer.Ordinal);

    /// <summary>Counts what a cache with a quota has, if nobody has for so long.</summary>
    public Task<bool> CountAsync(int cache, TimeSpan every, CancellationToken cancellationToken) =>
        database.SingleAsync("select @fn@.count_cache($1, $2)", p => p.With(cache).With(every), r => r.GetBoolean(0), cancellationToken);
}

/// <summary>What the functions of keys answer.</summary>
internal enum KeyOutcome
{
    Done,
    Exists,
    Unknown,

    /// <summary>Nothing would sign any more.</summary>
    Last,

    /// <summary>No other key has signed all that is there.</summary>
    Unsigned,
}

/// <summary>What <c>sign_anew</c> answers.</summary>
internal enum SigningStep
{
    None,
    Busy,
    More,
    Round,
    Done,
}
