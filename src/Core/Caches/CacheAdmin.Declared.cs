using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The caches of the servers' file.</summary>
internal sealed partial class CacheAdmin
{
    /// <summary>
    /// Makes the caches that are not there, and brings the others to what the file says. A file that is refused has changed nothing, but
    /// for what others change meanwhile.
    /// </summary>
    /// <returns>The caches that it does not have.</returns>
    /// <exception cref="CacheProblemException">One cannot be as the file says; the message names it.</exception>
    public async Task<IReadOnlyList<string>> DeclareAsync(IReadOnlyList<DeclaredCache> declared, CancellationToken cancellationToken)
    {
        await caches.LookAsync(TimeSpan.Zero, cancellationToken);
        var there = caches.Entries.ToDictionary(e => e.Row.Name, e => e.Row);
        foreach (var cache in declared)
            await NamedAsync(cache.Name, () => Task.FromResult(there[cache.Name] = Checked(cache, there)));
        foreach (var cache in declared)
            await NamedAsync(cache.Name, () => DeclareAsync(cache.Name, cache.Settings, cancellationToken));

        var others = await catalog.UndeclareAsync([.. declared.Select(d => d.Name.ToString())], cancellationToken);
        await caches.LookAsync(TimeSpan.Zero, cancellationToken);
        return others;
    }

    private static async Task NamedAsync(CacheName cache, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (CacheProblemException e) when (!e.IsOutage)
        {
            throw new CacheProblemException(e.Kind, $"cache '{cache}': {e.Message}", inner: e);
        }
    }

    /// <summary>The row that a cache of the file will have, among those that will be there when its turn comes.</summary>
    private CacheRow Checked(DeclaredCache declared, IReadOnlyDictionary<CacheName, CacheRow> there)
    {
        var (cache, settings) = declared;
        if (cache == CacheName.Default)
            throw DefaultIsFixed();
        CacheSettingsCheck.Check(settings, fromFile: true);
        var place = Places.PlaceOf(cache, settings);
        DemandHosts(cache, settings, there.Values);
        if (there.TryGetValue(cache, out var row))
            return row.Deleting is not null ? throw IsBeingDeleted()
                : settings.StageOf != row.Settings?.StageOf ? throw StageIsFixed(cache, row.Settings ?? new CacheSettings())
                : place != (row.Bucket, row.Prefix) ? throw Moved(cache, row) : row with { Settings = settings };
        if (settings.StageOf is { } parent
            && !there.Values.Any(r => r.Name.ToString() == parent && r.Deleting is null && r.Settings?.StageOf is null))
            throw NoParent(settings);
        if (place.Bucket is not null && there.Values.Any(r => r.Settings is not null && r.Bucket == place.Bucket
            && (r.Prefix.StartsWith(place.Prefix, StringComparison.Ordinal)
                || place.Prefix.StartsWith(r.Prefix, StringComparison.Ordinal))))
            throw Taken(place);
        // One that is there is not served without its keys, and the others are; a new one would be there, and never have been served.
        _ = Places.KeysOf(settings);
        return new CacheRow(0, cache, [], 0, settings, place.Bucket, place.Prefix, true, default, null, []);
    }

    private async Task DeclareAsync(CacheName cache, CacheSettings settings, CancellationToken cancellationToken)
    {
        var place = Places.PlaceOf(cache, settings);
        for (var attempt = 1; ; attempt++)
        {
            await caches.LookAsync(TimeSpan.Zero, cancellationToken);
            DemandHosts(cache, settings, caches.Entries.Select(e => e.Row));
            if (caches.Entries.FirstOrDefault(e => e.Row.Name == cache) is not { } known)
            {
                // Without files of keys the catalog keeps one.
                var key = settings.Keys is null ? SecretKey.Generate(NameOfKey(Places.UrlOf(cache, settings), cache)) : null;
                var made = await catalog.CreateAsync(cache, place.Bucket, place.Prefix, settings, Verify(settings), isDeclared: true,
                    key is null ? null : new NewKey(key.Name, key.PublicKey.ToString(), key.Export()), Caller.Server, cancellationToken);
                if (made == CreateOutcome.Exists && attempt < Attempts)
                    continue;
                Demand(cache, made, place, settings);
                return;
            }

            if (known.IsServed && settings.StageOf != known.Row.Settings?.StageOf)
                throw StageIsFixed(cache, known.Row.Settings ?? new CacheSettings());
            if (known.IsServed && place != (known.Row.Bucket, known.Row.Prefix))
                throw Moved(cache, known.Row);
            var set = await catalog.SetAsync(cache, known.Row.Version, settings, Verify(settings), isDeclared: true, Caller.Server,
                cancellationToken);
            if (set == SetOutcome.Changed && attempt < Attempts)
                continue;
            if (set == SetOutcome.Done)
                return;
            throw set switch
            {
                SetOutcome.Host => HostTaken(settings),
                SetOutcome.Unknown => IsBeingDeleted(),
                _ => new CacheProblemException(ProblemKind.Unavailable, "its settings keep changing: start the server again."),
            };
        }
    }

    private static CacheProblemException IsBeingDeleted() => new(ProblemKind.CacheExists, "it is being deleted: take another name.");
}
