using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store;

/// <summary>
/// Deletions that the store has just refused, by key, in its words: for the log, for clients that wait for a collection, and for a push
/// that needs such a path anew. It covers this process and the last minute: every process tries a refused deletion again every few seconds,
/// so silence means that the refusal is over.
/// </summary>
internal sealed partial class RefusedDeletions(TimeProvider time, ILogger logger)
{
    private const int MaxKeys = 10_000;
    private const int MaxNamed = 5;
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<ObjectKey, (StoreAnswer Answer, long At)> _refused = new();
    private readonly ConcurrentDictionary<string, long> _logged = new(); // By code: when it was told last.

    public bool Any => All().Any();

    public void Note(ObjectKey key, StoreAnswer answer)
    {
        if (_refused.Count < MaxKeys || _refused.ContainsKey(key))
            _refused[key] = (answer, time.GetTimestamp());
        var now = time.GetTimestamp();
        if (_logged.TryGetValue(answer.Code, out var last) && time.GetElapsedTime(last, now) < LogInterval)
            return;
        _logged[answer.Code] = now;
        LogRefused(key, answer.Code, answer.Sentence);
    }

    public void Forget(ObjectKey key) => _refused.TryRemove(key, out _);

    /// <summary>The store's refusal to delete this key, or, null, any key.</summary>
    public (ObjectKey Key, StoreAnswer Answer)? Find(ObjectKey? key = null)
    {
        foreach (var refused in All())
        {
            if (key is null || refused.Key == key)
                return refused;
        }

        return null;
    }

    /// <summary>One sentence for a client that waits for deletions; null when none is refused.</summary>
    public string? Describe()
    {
        var all = All().ToList();
        if (all.Count == 0)
            return null;
        var named = string.Join(", ", all.Take(MaxNamed).Select(r => $"{r.Key} ({r.Answer.Code})"));
        return $"The object store refuses to delete " +
            $"{named}{(all.Count > MaxNamed ? $" and {(_refused.Count >= MaxKeys ? "at least " : "")}{all.Count - MaxNamed} more" : "")}. {all[0].Answer.Sentence}";
    }

    private IEnumerable<(ObjectKey Key, StoreAnswer Answer)> All()
    {
        foreach (var (key, (answer, at)) in _refused)
        {
            if (time.GetElapsedTime(at) < Believed)
                yield return (key, answer);
            else
                _refused.TryRemove(new(key, (answer, at)));
        }
    }

    [LoggerMessage(LogLevel.Warning,
        "the store refuses to delete {Key}, and perhaps more ({Code}). {Sentence} It is tried again; this is told every ten minutes")]
    private partial void LogRefused(ObjectKey key, string code, string sentence);
}
