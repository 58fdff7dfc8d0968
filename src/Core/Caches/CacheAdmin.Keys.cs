using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core.Catalog;
using OrleansCache.Nix;

namespace OrleansCache.Core.Caches;

/// <summary>Keys of caches.</summary>
internal sealed partial class CacheAdmin
{
    private const int MaxName = 100;

    public async Task<KeyList> ListKeysAsync(CacheName cache, CancellationToken cancellationToken)
    {
        await caches.LookAsync(TimeSpan.Zero, cancellationToken);
        var entry = Served(cache);
        var progress = entry.Row.Keys.Any(k => k.IsSigning) ? await keys.ProgressAsync(entry.Row.Id, cancellationToken) : [];
        var files = entry.Services?.Options.FileKeys ?? [];
        var rows = entry.Row.Keys.ToDictionary(k => k.Name, StringComparer.Ordinal);
        return new KeyList
        {
            Keys =
            [
                .. files.Where(f => !rows.ContainsKey(f.Name)).Select(f => new CacheKey
                {
                    Name = f.Name,
                    PublicKey = f.ToString(),
                    State = KeyState.Active,
                    InFile = true,
                }),
                .. entry.Row.Keys.Select(k => new CacheKey
                {
                    Name = k.Name,
                    PublicKey = k.PublicKey,
                    State = k.State,
                    InFile = k.Secret is null,
                    Created = k.Created,
                    Signing = k.IsSigning,
                    Progress = progress.TryGetValue(k.Name, out var share) ? share : null,
                }),
            ],
        };
    }

    public async Task<KeyList> AddKeyAsync(CacheName cache, AddKey request, Caller caller, CancellationToken cancellationToken)
    {
        var list = await ListKeysAsync(cache, cancellationToken);
        var name = request.Name ?? NextName(cache, list);
        if (name.Length is 0 or > MaxName || name.Any(c => c is < '!' or > '~' or ':' or '/'))
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"'{name}' cannot name a key: 1 to {MaxName} printable ASCII characters are wanted, without ':', '/' and spaces.");
        if (Served(cache).Services?.Options.Keys.ActiveCommands.Count > 0)
            throw new CacheProblemException(ProblemKind.BadRequest,
                $"Cache '{cache}' is signed by programs outside the servers (--sign-command), and a key made here would be kept in the " +
                "catalog: start the servers with a second --sign-command, and retire the key of the first once all is signed anew.");
        var outcome = list.Keys.Any(k => k.Name == name) ? KeyOutcome.Exists
            : await keys.AddAsync(Served(cache).Row.Id, SecretKey.Generate(name), request.Replaces, caller, cancellationToken);
        Demand(cache, name, outcome);
        return await ListKeysAsync(cache, cancellationToken);
    }

    public async Task<KeyList> SetKeyAsync(CacheName cache, string key, SetKey request, Caller caller, CancellationToken cancellationToken)
    {
        var list = await ListKeysAsync(cache, cancellationToken);
        var known = list.Keys.FirstOrDefault(k => k.Name == key)
            ?? throw new CacheProblemException(ProblemKind.UnknownKey, $"Cache '{cache}' has no key '{key}'. It has {string.Join(", ", list.Keys.Select(k => $"'{k.Name}'"))}.");
        var others = list.Keys.Count(k => k is { InFile: true, State: KeyState.Active } && k.Name != key);
        Demand(cache, key, await keys.SetAsync(Served(cache).Row.Id, key, known.PublicKey, request, others, caller,
            cancellationToken));
        return await ListKeysAsync(cache, cancellationToken);
    }

    private CacheRegistry.Entry Served(CacheName cache) => caches.Find(cache) ?? throw CacheDirectory.Unknown(cache);

    // name-1, name-2 and so on.
    private static string NextName(CacheName cache, KeyList list)
    {
        var last = list.Keys.Count > 0 ? list.Keys[^1].Name : $"{cache}-0";
        var dash = last.LastIndexOf('-');
        var stem = dash > 0 && int.TryParse(last.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _)
            ? last[..dash] : last;
        for (var number = 2; ; number++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{stem}-{number}");
            if (list.Keys.All(k => k.Name != name))
                return name;
        }
    }

    private static void Demand(CacheName cache, string key, KeyOutcome outcome)
    {
        switch (outcome)
        {
            case KeyOutcome.Exists:
                throw new CacheProblemException(ProblemKind.CacheExists,
                    $"Cache '{cache}' has a key '{key}', or had one: take another name.");
            case KeyOutcome.Unknown:
                throw CacheDirectory.Unknown(cache);
            case KeyOutcome.Unsigned:
                throw new CacheProblemException(ProblemKind.Conflict,
                    $"No other key of cache '{cache}' has signed all that is there yet: wait until 'keys list' shows none that signs. Where " +
                    $"'{key}' is in wrong hands, say --force: readers then meet paths that they do not trust until that has ended.");
            case KeyOutcome.Last:
                throw new CacheProblemException(ProblemKind.Conflict,
                    $"'{key}' is the only key of cache '{cache}' that signs: add another first ('keys add', or 'keys rotate').");
        }
    }
}
