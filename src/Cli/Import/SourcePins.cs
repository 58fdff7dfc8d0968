using System.Net;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Import;

/// <summary>A pin of a source, which keeps it as <c>pins/NAME</c>, with the path in it.</summary>
internal sealed record SourcePin(PinName Name, StorePath Path);

/// <param name="Outcome"><c>set</c>, <c>moved</c>, <c>present</c> (on that path already), <c>kept</c> (on another path, and left there),
/// <c>failed</c>, or <c>would-be-set</c> and <c>would-be-moved</c>.</param>
/// <param name="Why">Of what was not done.</param>
internal sealed record PinAnswer(string Name, string Path, string Outcome, string? Why = null);

/// <summary>Takes pins over, once their closures are there.</summary>
internal sealed class SourcePins(ISource source, Api api)
{
    private const string Folder = "pins/";

    private readonly List<PinAnswer> _answers = [];
    private readonly List<SourcePin> _pins = [];

    public IReadOnlyList<PinAnswer> Answers => _answers;

    /// <summary>The paths of the pins.</summary>
    public IEnumerable<StorePathHash> Paths => _pins.Select(pin => pin.Path.Hash);

    /// <param name="names">Null: all that the source has.</param>
    public async Task ReadAsync(IReadOnlyCollection<PinName>? names, CancellationToken cancellationToken)
    {
        var wanted = names is null ? await AllAsync(cancellationToken) : [.. names.Distinct()];
        foreach (var name in wanted.OrderBy(name => name.ToString(), StringComparer.Ordinal))
        {
            var stored = await source.ReadAsync(Folder + name, cancellationToken);
            if (stored is null)
                _answers.Add(new PinAnswer(name.ToString(), "", "failed", "the source has no such pin"));
            else if (StorePath.TryParse(SourceText.ToText(stored).Trim(), out var path))
                _pins.Add(new SourcePin(name, path));
            else
                _answers.Add(new PinAnswer(name.ToString(), "", "failed", "the source has something else than a store path in it"));
        }
    }

    /// <summary>
    /// Sets the pins whose paths were taken over or are there; one that the cache has on another path is moved only if that is wanted, as
    /// somebody may have moved it there since.
    /// </summary>
    public async Task SetAsync(SourceGraph graph, bool move, bool dryRun, CancellationToken cancellationToken)
    {
        if (_pins.Count == 0)
            return;
        var there = (await api.PinsAsync(cancellationToken)).Pins.ToDictionary(pin => pin.Name);
        foreach (var pin in _pins)
            _answers.Add(await SetAsync(pin, there.GetValueOrDefault(pin.Name), graph, move, dryRun, cancellationToken));
    }

    private async Task<PinAnswer> SetAsync(SourcePin pin, Pin? there, SourceGraph graph, bool move, bool dryRun,
        CancellationToken cancellationToken)
    {
        var answer = new PinAnswer(pin.Name.ToString(), pin.Path.ToString(), there is null ? "set" : "moved");
        if (graph.Refusals.Of(pin.Path.Hash) is { } refusal)
            return answer with { Outcome = "failed", Why = $"its path {refusal.Why}" };
        if (there?.Path == pin.Path)
            return answer with { Outcome = "present" };
        if (there is not null && !move)
            return answer with { Outcome = "kept", Why = $"it is on {there.Path} here; --move-pins moves it" };
        if (dryRun)
            return answer with { Outcome = there is null ? "would-be-set" : "would-be-moved" };
        try
        {
            await api.SetPinAsync(pin.Name, new SetPin
            {
                Path = pin.Path,
                NarHash = graph.Paths.TryGetValue(pin.Path.Hash, out var path) ? path.Info.NarHash : null,
            }, there?.Revision ?? 0, cancellationToken);
            return answer;
        }
        catch (CacheException e) when (e.Status is not HttpStatusCode.Unauthorized)
        {
            return answer with { Outcome = "failed", Why = e.Message };
        }
    }

    private async Task<List<PinName>> AllAsync(CancellationToken cancellationToken)
    {
        var names = new List<PinName>();
        await foreach (var key in source.ListAsync(Folder, cancellationToken))
        {
            if (PinName.TryParse(key[Folder.Length..], out var name))
                names.Add(name);
        }

        return names;
    }
}
