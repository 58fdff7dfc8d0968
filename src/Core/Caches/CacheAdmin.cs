using System.Text.Json.Nodes;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>The contract of caches, over the catalog; this process follows at once.</summary>
internal sealed partial class CacheAdmin(CacheRegistry caches, CacheCatalog catalog, KeyCatalog keys, ICachePlaces? places) : ICaches
{
    private const int Attempts = 5;

    public async Task<CacheList> ListAsync(CancellationToken cancellationToken)
    {
        await caches.LookAsync(TimeSpan.Zero, cancellationToken);
        return new CacheList
        {
            Caches = [.. caches.Entries.OrderBy(e => e.Row.Name.ToString(), StringComparer.Ordinal).Select(Describe)],
        };
    }

    public async Task<CacheDescription> ShowAsync(CacheName cache, CancellationToken cancellationToken)
    {
        await caches.LookAsync(TimeSpan.Zero, cancellationToken);
        return Describe(Entry(cache)) with { Exposure = await FindExposureAsync(cache, cancellationToken) };
    }

    public Task<string?> FindExposureAsync(CacheName cache, CancellationToken cancellationToken)
    {
        var entry = Entry(cache);
        return CacheExposure.FindAsync(entry, entry.Row.Settings?.IsPrivate ?? places?.OfDefault.Private == true, cancellationToken);
    }

    public async Task<CacheDescription> CreateAsync(CacheName cache, JsonObject given, Caller caller,
        CancellationToken cancellationToken)
    {
        var settings = CacheSettingsCheck.Read(given);
        CacheSettingsCheck.Check(settings, fromFile: false);
        DemandHosts(cache, settings, caches.Entries.Select(e => e.Row));
        var place = Places.PlaceOf(cache, settings);
        var key = SecretKey.Generate(NameOfKey(Places.UrlOf(cache, settings), cache));
        var outcome = await catalog.CreateAsync(cache, place.Bucket, place.Prefix, settings, Verify(settings), isDeclared: false,
            new NewKey(key.Name, key.PublicKey.ToString(), key.Export()), caller, cancellationToken);
        Demand(cache, outcome, place, settings);
        return await ShowAsync(cache, cancellationToken);
    }

    public async Task<CacheDescription> SetAsync(CacheName cache, JsonObject changes, bool isOperator, Caller caller,
        CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            await caches.LookAsync(TimeSpan.Zero, cancellationToken);
            var row = Entry(cache).Row;
            if (row.Settings is not { } settings)
                throw DefaultIsFixed();
            if (row.IsDeclared)
                throw Declared(cache);
            var changed = CacheSettingsCheck.Merge(settings, changes, isOperator);
            CacheSettingsCheck.Check(changed, fromFile: false);
            if (changed.StageOf != settings.StageOf)
                throw StageIsFixed(cache, settings);
            DemandHosts(cache, changed, caches.Entries.Select(e => e.Row));
            // The default place follows from the server's options, too: only another setting asks for another one.
            if ((changed.Bucket, changed.Prefix) != (settings.Bucket, settings.Prefix)
                && Places.PlaceOf(cache, changed) != (row.Bucket, row.Prefix))
                throw Moved(cache, row);
            switch (await catalog.SetAsync(cache, row.Version, changed, Verify(changed), isDeclared: false, caller, cancellationToken))
            {
                case SetOutcome.Done:
                    return await ShowAsync(cache, cancellationToken);
                case SetOutcome.Changed when attempt < Attempts:
                    continue;
                case SetOutcome.Changed:
                    throw new CacheProblemException(ProblemKind.Unavailable,
                        $"The settings of cache '{cache}' keep changing: send the same request again.");
                case SetOutcome.Declared:
                    throw Declared(cache);
                case SetOutcome.Host:
                    throw HostTaken(changed);
                default:
                    throw CacheDirectory.Unknown(cache);
            }
        }
    }

    public async Task DeleteAsync(CacheName cache, bool force, Caller caller, CancellationToken cancellationToken)
    {
        if (cache == CacheName.Default)
            throw DefaultIsFixed();
        switch (await catalog.DeleteAsync(cache, force, caller, cancellationToken))
        {
            case DeleteOutcome.Unknown:
                throw CacheDirectory.Unknown(cache);
            case DeleteOutcome.Declared:
                throw Declared(cache);
            case DeleteOutcome.Staged:
                throw new CacheProblemException(ProblemKind.CacheInUse, $"Cache '{cache}' has stages: delete them first.");
            case DeleteOutcome.InUse:
                throw new CacheProblemException(ProblemKind.CacheInUse,
                    $"Cache '{cache}' has paths, or a push is open: collect them first, or delete it with all that it has ('--force').");
        }

        await caches.LookAsync(TimeSpan.Zero, cancellationToken);
    }

    private ICachePlaces Places => places ?? throw new CacheProblemException(ProblemKind.BadRequest,
        "This server serves the default cache alone.");

    private static void Demand(CacheName cache, CreateOutcome outcome, (string? Bucket, string Prefix) place, CacheSettings settings)
    {
        switch (outcome)
        {
            case CreateOutcome.Exists:
                throw new CacheProblemException(ProblemKind.CacheExists, $"There is a cache '{cache}': take another name.");
            case CreateOutcome.Deleting:
                throw new CacheProblemException(ProblemKind.CacheExists,
                    $"Cache '{cache}' is being deleted, and its name is free when that has ended: a day after the last upload URL for it " +
                    "has expired. Take another name until then.");
            case CreateOutcome.Taken:
                throw Taken(place);
            case CreateOutcome.Host:
                throw HostTaken(settings);
            case CreateOutcome.Parent:
                throw NoParent(settings);
        }
    }

    // A name leads to one cache. The catalog asks again, for what other servers have just changed.
    private static void DemandHosts(CacheName cache, CacheSettings settings, IEnumerable<CacheRow> rows)
    {
        foreach (var host in settings.Hosts ?? [])
        {
            if (rows.FirstOrDefault(r => r.Name != cache && r.Settings?.Hosts?.Contains(host,
                StringComparer.OrdinalIgnoreCase) == true) is { } other)
                throw new CacheProblemException(ProblemKind.BadRequest,
                    $"The host '{host}' leads to cache '{other.Name}' already: one host leads to one cache.");
        }
    }

    private string Verify(CacheSettings settings) => OutcomeText.Of(CacheSettingsCheck.PolicyOf(settings, Places.Policy));

    private CacheRegistry.Entry Entry(CacheName cache) => caches.Entries.FirstOrDefault(e => e.Row.Name == cache)
        ?? throw CacheDirectory.Unknown(cache);

    private CacheDescription Describe(CacheRegistry.Entry entry) => new()
    {
        Name = entry.Row.Name.ToString(),
        Settings = entry.Row.Settings ?? places?.OfDefault ?? new CacheSettings(),
        Substituter = places?.UrlOf(entry.Row.Name, entry.Row.Settings ?? new CacheSettings()),
        PublicKeys = entry.Services?.PublicKeys ?? [],
        Declared = entry.Row.IsDeclared,
        Created = entry.Row.Created,
        Deleting = entry.Row.Deleting,
        UsedBytes = entry.Row.UsedBytes,
        UsedPaths = entry.Row.UsedPaths,
        Trouble = entry.Trouble,
    };

    private static string NameOfKey(Uri url, CacheName cache) => $"{url.Host}-{cache}-1";

    private static CacheProblemException NoParent(CacheSettings settings) => new(ProblemKind.BadRequest,
        $"There is no cache '{settings.StageOf}' to be a stage of, or it is a stage itself, which has none.");

    private static CacheProblemException StageIsFixed(CacheName cache, CacheSettings settings) => new(ProblemKind.BadRequest,
        $"Cache '{cache}' is {(settings.StageOf is { } parent ? $"a stage of '{parent}'" : "no stage")}, and stays so: make another one.");

    private static CacheProblemException DefaultIsFixed() => new(ProblemKind.CacheDeclared,
        "The default cache is as the servers' command line says: change their options there.");

    private static CacheProblemException Declared(CacheName cache) => new(ProblemKind.CacheDeclared,
        $"Cache '{cache}' is declared in the servers' file of caches (--caches): change it there, and start the servers again.");

    private static CacheProblemException Taken((string? Bucket, string Prefix) place) => new(ProblemKind.BadRequest,
        $"The place '{place.Prefix}' in bucket '{place.Bucket}' is another cache's, or above or below one: choose another prefix.");

    private static CacheProblemException HostTaken(CacheSettings settings) => new(ProblemKind.BadRequest,
        $"Of the hosts {string.Join(", ", (settings.Hosts ?? []).Select(h => $"'{h}'"))} one leads to another cache already: one host " +
        "leads to one cache. 'caches list' tells which.");

    private static CacheProblemException Moved(CacheName cache, CacheRow row) => new(ProblemKind.BadRequest,
        $"Cache '{cache}' does not move: its place is {(row.Bucket is null ? "a directory" : $"'{row.Prefix}' in bucket '{row.Bucket}'")}. " +
        "Make another cache there, copy what is worth it, and delete this one; or make it anew once it is deleted.");
}
