using System.Collections.Concurrent;
using OrleansCache.Cli.Common;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>The paths of a source that an import may declare, their references, and what is refused of them.</summary>
/// <param name="source">Is asked for each narinfo once, many at a time.</param>
/// <param name="trust">Whom to believe.</param>
internal sealed class SourceGraph(ISource source, SourceTrust trust)
{
    /// <summary>A narinfo is small, and the time is that of the way.</summary>
    public const int Readers = 64;

    private const string Ending = ".narinfo";

    private readonly Dictionary<StorePathHash, SourcePath> _paths = [];
    private readonly Dictionary<StorePathHash, List<StorePathHash>> _referrers = [];
    private readonly ConcurrentDictionary<StorePathHash, Refusal> _early = []; // by many readers at once

    public Refusals Refusals { get; } = new();

    public IReadOnlyDictionary<StorePathHash, SourcePath> Paths => _paths;

    /// <summary>How many narinfos were read.</summary>
    public int Read { get; private set; }

    /// <summary>The hashes of all paths that a source lists.</summary>
    public static async Task<List<StorePathHash>> ListAsync(ISource source, CancellationToken cancellationToken)
    {
        var hashes = new List<StorePathHash>();
        await foreach (var key in source.ListAsync("", cancellationToken))
        {
            if (key.EndsWith(Ending, StringComparison.Ordinal) && StorePathHash.TryParse(key[..^Ending.Length], out var hash))
                hashes.Add(hash);
        }

        return hashes;
    }

    /// <summary>Reads some paths with all that they refer to.</summary>
    /// <param name="seeds">Which.</param>
    /// <param name="named">They were asked for: one that the source does not have is an error, not one that it has deleted since.</param>
    /// <param name="read">Told the number of narinfos that were read.</param>
    public async Task LoadAsync(IEnumerable<StorePathHash> seeds, bool named, Action<int> read, CancellationToken cancellationToken)
    {
        var seen = new HashSet<StorePathHash>(seeds);
        var absent = new ConcurrentBag<StorePathHash>();
        for (IReadOnlyCollection<StorePathHash> wave = [.. seen]; wave.Count > 0;)
        {
            var found = new ConcurrentBag<SourcePath>();
            await Parallel.ForEachAsync(wave,
                new ParallelOptions { MaxDegreeOfParallelism = Readers, CancellationToken = cancellationToken }, async (hash, cancel) =>
                {
                    var text = await source.ReadAsync($"{hash}{Ending}", cancel);
                    if (text is null)
                        absent.Add(hash);
                    else if (Parse(hash, text) is { } path)
                        found.Add(path);
                    read(1);
                });
            Read += wave.Count;
            foreach (var path in found)
                _paths.Add(path.Info.Path.Hash, path);
            wave = [.. found.SelectMany(path => path.Info.References).Where(seen.Add)];
        }

        foreach (var path in _paths.Values)
        {
            foreach (var reference in path.Info.References.Where(reference => reference != path.Info.Path.Hash))
                ReferrersOf(reference).Add(path.Info.Path.Hash);
        }

        await RefuseAbsentAsync(absent, named, cancellationToken);
        // Those that were refused while they were read; with each go its referrers.
        foreach (var (hash, refusal) in _early)
            Refuse(hash, refusal.Path, refusal.Why);
    }

    /// <summary>Refuses a path, and with it whatever refers to it.</summary>
    public void Refuse(StorePathHash hash, string path, string why)
    {
        if (!Refusals.Add(hash, path, why))
            return;
        var left = new Stack<StorePathHash>([hash]);
        while (left.TryPop(out var refused))
        {
            foreach (var referrer in _referrers.GetValueOrDefault(refused) ?? [])
            {
                if (Refusals.Add(referrer, NameOf(referrer), $"refers to {path}, which {why}", path))
                    left.Push(referrer);
            }
        }
    }

    public bool Takes(StorePathHash hash) => _paths.ContainsKey(hash) && !Refusals.Has(hash);

    private async Task RefuseAbsentAsync(IEnumerable<StorePathHash> absent, bool named, CancellationToken cancellationToken)
    {
        foreach (var hash in absent)
        {
            if (_referrers.TryGetValue(hash, out var referrers))
                Refuse(hash, await NameInAsync(referrers[0], hash, cancellationToken),
                    "is not in the source, although paths there refer to it (broken in the source)");
            else if (named)
                Refuse(hash, hash.ToString(), "is not in the source");
        }
    }

    // Of references the hashes alone were kept.
    private async Task<string> NameInAsync(StorePathHash referrer, StorePathHash reference, CancellationToken cancellationToken)
    {
        if (await source.ReadAsync($"{referrer}{Ending}", cancellationToken) is { } stored
            && NarInfo.TryParse(SourceText.ToText(stored), out var info, out _))
        {
            foreach (var path in info.References)
            {
                if (path.Hash == reference)
                    return path.ToString();
            }
        }

        return reference.ToString();
    }

    private SourcePath? Parse(StorePathHash hash, SourceObject stored)
    {
        string? why;
        try
        {
            if (NarInfo.TryParse(SourceText.ToText(stored), out var info, out why))
            {
                if (info.StorePath.Hash == hash)
                {
                    // One that is not believed is kept, as its referrers are to be found by it.
                    if (trust.Refuses(info, out var byAddress) is { } reason)
                        _early[hash] = new Refusal(info.StorePath.ToString(), $"is not trusted: {reason}", null);
                    return SourcePath.Of(info, byAddress);
                }

                why = $"it is that of {info.StorePath}";
            }
        }
        catch (InvalidDataException e)
        {
            why = e.Message;
        }

        _early[hash] = new Refusal(hash.ToString(), $"has a narinfo that cannot be used: {Text.Printable(why)}", null);
        return null;
    }

    private string NameOf(StorePathHash hash) => _paths.TryGetValue(hash, out var path) ? path.Info.Path.ToString() : hash.ToString();

    private List<StorePathHash> ReferrersOf(StorePathHash hash)
    {
        if (!_referrers.TryGetValue(hash, out var referrers))
            _referrers.Add(hash, referrers = []);
        return referrers;
    }
}
