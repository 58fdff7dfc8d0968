using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>What a source has beside its paths: build logs and realisations.</summary>
internal sealed class SourceExtras(ISource source, Action<string> note)
{
    private const string LogFolder = "log/", Realised = "realisations/", Traces = "build-trace-v2/", Ending = ".doi";

    // The server takes no larger one.
    private const int MaxRealisation = 64 << 10;

    private readonly Dictionary<StorePathHash, List<Realisation>> _realisations = [];
    private HashSet<string>? _logs; // null: those of every derivation are asked for

    /// <summary>Looks which logs there are. A source that cannot be listed is asked for each log when it is wanted.</summary>
    public async Task FindLogsAsync(CancellationToken cancellationToken) =>
        _logs = source.Lists ? await KeysAsync(LogFolder, cancellationToken) : null;

    /// <summary>Reads the realisations of some paths; a source that cannot be listed tells of none.</summary>
    public async Task FindRealisationsAsync(IReadOnlyCollection<SourcePath> paths, CancellationToken cancellationToken)
    {
        // All have to be read, as their names do not tell of which path they are.
        if (!paths.Any(path => Realisations.MayHave(path.Info)))
            return;
        var keys = await KeysAsync(Realised, cancellationToken);
        keys.UnionWith(await KeysAsync(Traces, cancellationToken));
        var found = new ConcurrentBag<Realisation>();
        await Parallel.ForEachAsync(keys.Where(key => key.EndsWith(Ending, StringComparison.Ordinal)),
            new ParallelOptions { MaxDegreeOfParallelism = SourceGraph.Readers, CancellationToken = cancellationToken },
            async (key, cancel) =>
            {
                if (IdOf(key) is { } id && await source.ReadAsync(key, cancel) is { } stored && Parse(id, key, stored) is { } realisation)
                    found.Add(realisation);
            });
        foreach (var ofPath in found.GroupBy(realisation => realisation.Path))
            _realisations[ofPath.Key] = [.. ofPath];
    }

    /// <summary>The logs of some paths. Of several outputs of one derivation, the first gets the log.</summary>
    public Dictionary<StorePath, (StorePathHash Path, string File)> LogsOf(IEnumerable<SourcePath> paths)
    {
        var logs = new Dictionary<StorePath, (StorePathHash, string)>();
        foreach (var path in paths)
        {
            if (path.Info.Deriver is { IsDerivation: true } drv && _logs?.Contains(LogFolder + drv.BaseName) != false)
                logs.TryAdd(drv, (path.Info.Path.Hash, LogFolder + drv.BaseName));
        }

        return logs;
    }

    public IEnumerable<Realisation> RealisationsOf(IEnumerable<SourcePath> paths) =>
        paths.SelectMany(path => _realisations.GetValueOrDefault(path.Info.Path.Hash) ?? []).DistinctBy(realisation => realisation.Id);

    private async Task<HashSet<string>> KeysAsync(string folder, CancellationToken cancellationToken)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var key in source.ListAsync(folder, cancellationToken))
            keys.Add(key);
        return keys;
    }

    /// <summary><c>realisations/ID.doi</c>, or <c>build-trace-v2/DRV/OUTPUT.doi</c>.</summary>
    private static RealisationId? IdOf(string key)
    {
        var name = key[..^Ending.Length];
        var text = name.StartsWith(Realised, StringComparison.Ordinal) ? name[Realised.Length..]
            : name[Traces.Length..].Split('/') is [var drv, var output] ? $"{drv}^{output}" : "";
        return RealisationId.TryParse(text, out var id) ? id : null;
    }

    private Realisation? Parse(RealisationId id, string key, SourceObject stored)
    {
        try
        {
            var bytes = SourceText.Decode(stored);
            if (bytes.Length > MaxRealisation)
                throw new InvalidDataException($"it has more than {MaxRealisation >> 10} KiB");
            using var json = JsonDocument.Parse(bytes);
            var root = json.RootElement;
            var value = root.TryGetProperty("value", out var inner) ? inner : root;
            return value.TryGetProperty("outPath", out var output) && StorePath.TryParse(output.GetString(), out var path)
                ? new Realisation(id, path.Hash, Encoding.UTF8.GetString(bytes)) : throw new InvalidDataException("it has no outPath");
        }
        catch (Exception e) when (e is JsonException or InvalidDataException or InvalidOperationException)
        {
            note($"the realisation {Text.Printable(key)} is not sent: {e.Message}");
            return null;
        }
    }
}
