using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Push;
using OrleansCache.Cli.Terminal;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>Takes the paths of another cache over, by pushes like any other.</summary>
/// <remarks>
/// 1. List, or take what is named. 2. Ask which of it the cache lacks: of the rest no narinfo is read. 3. Read the narinfos of what is
/// lacking and of all that it refers to; refuse what is not believed or broken. 4. Push it in groups, references first. What turns out to
/// be damaged is refused then, and its group pushed without it. 5. Set the pins.
/// </remarks>
/// <param name="show">Shows the progress of each phase.</param>
/// <param name="note">Gets each line that is worth showing.</param>
internal sealed class Importer(ISource source, SourceTrust trust, Api api, UploadClient uploads, PushOptions pushing, ImportOptions options,
    Action<PushProgress> show, Action<string> note, TimeProvider time)
{
    /// <summary>What one request may ask about.</summary>
    private const int MaxAsked = 100_000;

    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(3);

    // What the server says of single paths, beside which the others can go on.
    private static readonly string[] OfPaths = ["untrue", "withdrawn", "conflict"];

    private readonly SourceGraph _graph = new(source, trust);
    private readonly SourceExtras _extras = new(source, note);
    private readonly SourcePins _pins = new(source, api);
    private readonly HashSet<StorePathHash> _absent = [];
    private readonly PushProgress _progress = new() { Note = note };
    private readonly ImportTally _tally = new();
    private int _told;

    /// <summary>Groups of another size, for tests.</summary>
    public Func<SourceGraph, IReadOnlyCollection<StorePathHash>, PushGroups> Group { get; init; } =
        static (graph, wanted) => new PushGroups(graph, wanted);

    /// <exception cref="CliException">The source or the server cannot be used.</exception>
    public async Task<ImportResult> RunAsync(CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        show(_progress);

        // 1. What there is.
        _progress.Phase = $"listing {source.Name}";
        await RequireCacheAsync(cancellationToken);
        if (options.Pins is null or { Count: > 0 })
            await _pins.ReadAsync(options.Pins, cancellationToken);
        var named = options.Roots is not null || !source.Lists;
        HashSet<StorePathHash> seeds = named ? [.. options.Roots ?? [], .. _pins.Paths]
            : [.. await SourceGraph.ListAsync(source, cancellationToken)];
        var listed = time.GetElapsedTime(started);

        // 2. and 3. What is lacking of it.
        await LookAsync(seeds, named, cancellationToken);
        var read = time.GetElapsedTime(started);
        var wanted = _absent.Where(_graph.Takes).ToList();
        _tally.Paths = seeds.Concat(_graph.Paths.Keys).ToHashSet().Count;
        _tally.Present = _tally.Paths - _absent.Count;
        _tally.Wanted = wanted.Count;
        _tally.WantedBytes = wanted.Sum(hash => _graph.Paths[hash].Bytes);

        // 4. and 5.
        if (!options.DryRun)
            await PushAsync(wanted, cancellationToken);
        await _pins.SetAsync(_graph, options.MovePins, options.DryRun, cancellationToken);
        foreach (var pin in _pins.Answers.Where(pin => pin.Why is not null))
            note($"the pin {pin.Name} is not set: {pin.Why}");
        return new ImportResult(source.Name, options.DryRun, _tally, [.. _graph.Refusals.All], _pins.Answers, listed, read - listed,
            time.GetElapsedTime(started) - read);
    }

    private async Task RequireCacheAsync(CancellationToken cancellationToken)
    {
        var info = await source.ReadAsync("nix-cache-info", cancellationToken);
        if (info is null)
        {
            if (!source.Lists)
                throw new CliException(ExitCodes.Usage, $"{source.Name} has no nix-cache-info: it is no binary cache, or another path is meant.");
            return;
        }

        var store = SourceText.ToText(info).Split('\n').Select(line => line.Split(':', 2))
            .FirstOrDefault(line => line is ["StoreDir", _])?[1].Trim();
        if (store is not (null or StorePath.StoreDir))
            throw new CliException(ExitCodes.Usage, $"{source.Name} has paths of {Text.Printable(store)}, not of {StorePath.StoreDir}.");
    }

    private async Task LookAsync(HashSet<StorePathHash> seeds, bool named, CancellationToken cancellationToken)
    {
        _progress.Phase = $"asking what is missing of {Text.Count(seeds.Count, "path")}";
        await AskAsync(seeds, cancellationToken);
        var count = 0;
        await _graph.LoadAsync(_absent, named, one =>
            _progress.Phase = $"reading narinfos: {Interlocked.Add(ref count, one):N0}", cancellationToken);
        await AskAsync([.. _graph.Paths.Keys.Where(hash => !seeds.Contains(hash))], cancellationToken);
        // What the source had when it was listed, and has no more.
        seeds.ExceptWith(_absent.Where(hash => !_graph.Paths.ContainsKey(hash) && !_graph.Refusals.Has(hash)));
        _absent.RemoveWhere(hash => !_graph.Paths.ContainsKey(hash) && !_graph.Refusals.Has(hash));
        TellRefusals();
        SourcePath[] lacking = [.. _absent.Where(_graph.Takes).Select(hash => _graph.Paths[hash])];
        if (options.DryRun || lacking.Length == 0)
            return;
        _progress.Phase = "looking for logs and realisations";
        if (options.Logs)
            await _extras.FindLogsAsync(cancellationToken);
        if (options.Realisations)
            await _extras.FindRealisationsAsync(lacking, cancellationToken);
    }

    private async Task AskAsync(IReadOnlyCollection<StorePathHash> paths, CancellationToken cancellationToken)
    {
        foreach (var some in paths.Chunk(MaxAsked))
            _absent.UnionWith((await api.MissingAsync(new MissingRequest { Paths = some }, cancellationToken)).Missing);
    }

    private async Task PushAsync(List<StorePathHash> wanted, CancellationToken cancellationToken)
    {
        var groups = Group(_graph, wanted);
        foreach (var group in groups.All())
        {
            TellRefusals();
            var progress = new PushProgress { Note = note, Title = $"push {_tally.Pushes + 1}: " };
            show(progress);
            await PushAsync(groups, group, progress, cancellationToken);
        }

        TellRefusals();
    }

    private async Task PushAsync(PushGroups groups, PushGroup group, PushProgress progress, CancellationToken cancellationToken)
    {
        var contents = new SourceContents(source, _graph.Paths, progress, pushing.Level);
        var open = new List<string>();
        try
        {
            for (PushGroup? left = group; left is not null;)
            {
                var refused = _graph.Refusals.Count;
                try
                {
                    var closure = ClosureOf(left);
                    var pusher = new Pusher(api, uploads, pushing, progress, time, contents);
                    _tally.Add(await pusher.RunAsync(closure, cancellationToken));
                    _absent.ExceptWith(left.Closure);
                    return;
                }
                catch (UnusablePathsException e)
                {
                    open.Add(e.Push);
                    foreach (var path in e.Paths)
                        _graph.Refuse(path.Path.Hash, path.Path.ToString(), path.Why);
                }
                catch (CliException e) when (e.InnerException is CacheException { Name: { } name } refusal && OfPaths.Contains(name))
                {
                    foreach (var hash in refusal.Paths.Where(left.Closure.Contains))
                        _graph.Refuse(hash, _graph.Paths[hash].Info.Path.ToString(), $"is refused by the server: {refusal.Message}");
                    if (_graph.Refusals.Count == refused)
                        throw;
                }

                TellRefusals();
                left = groups.Without(left);
            }
        }
        finally
        {
            _tally.Add(contents);
            foreach (var push in open)
                await EndAsync(push);
        }
    }

    private LocalClosure ClosureOf(PushGroup group)
    {
        SourcePath[] lacking = [.. group.Closure.Where(_absent.Contains).Select(hash => _graph.Paths[hash])];
        return new LocalClosure
        {
            Roots = [.. group.Roots.Select(hash => _graph.Paths[hash].Info.Path)],
            Paths = group.Closure.ToDictionary(hash => hash, hash => _graph.Paths[hash].Info),
            Logs = options.Logs ? _extras.LogsOf(lacking) : new Dictionary<StorePath, (StorePathHash, string)>(),
            Realisations = _extras.RealisationsOf(lacking).ToDictionary(realisation => realisation.Id),
        };
    }

    // What it had sent has gone over to the push that was begun without the refused paths.
    private async Task EndAsync(string push)
    {
        using var timeout = new CancellationTokenSource(AbortTimeout, time);
        try
        {
            await api.AbortAsync(push, timeout.Token);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            note($"a push without its refused paths could not be ended ({e.Message}); it ends by itself");
        }
    }

    private void TellRefusals()
    {
        const int Most = 50;
        var causes = _graph.Refusals.InOrder;
        for (; _told < causes.Count; _told++)
        {
            if (_told < Most)
                note($"{causes[_told].Path} {causes[_told].Why}");
            else if (_told == Most)
                note("… and others: --json names all");
        }
    }
}
