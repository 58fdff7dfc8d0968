using System.Collections.Concurrent;

namespace OrleansCache.Core.Common;

/// <summary>
/// How much of one kind of long work a process does at once, for all its caches; what is further waits. One publisher never gets all
/// places, as slow work keeps its places while it lasts.
/// </summary>
/// <param name="atOnce">Of all publishers.</param>
/// <param name="atOnceOfOne">Of one.</param>
internal sealed class PublisherPlaces(int atOnce, int atOnceOfOne) : IDisposable
{
    private readonly SemaphoreSlim _all = new(atOnce);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _own = new(StringComparer.Ordinal);

    /// <summary>For bodies of stock Nix, each of which holds two parts of memory; further ones wait in their sockets.</summary>
    public static PublisherPlaces ForBodies() => new(16, 8);

    /// <summary>For copies that a store makes.</summary>
    public static PublisherPlaces ForCopies() => new(16, 8);

    /// <summary>Waits for a place; dispose of it when the work has ended.</summary>
    public async Task<IDisposable> TakeAsync(string publisher, CancellationToken cancellationToken)
    {
        // A place of its own before a common one, so the queue of one publisher holds no place of another.
        var own = _own.GetOrAdd(publisher, _ => new SemaphoreSlim(atOnceOfOne));
        await own.WaitAsync(cancellationToken);
        try
        {
            await _all.WaitAsync(cancellationToken);
            return new Place(own, _all);
        }
        catch
        {
            own.Release();
            throw;
        }
    }

    public void Dispose()
    {
        _all.Dispose();
        foreach (var own in _own.Values)
            own.Dispose();
    }

    private sealed class Place(SemaphoreSlim own, SemaphoreSlim all) : IDisposable
    {
        public void Dispose()
        {
            all.Release();
            own.Release();
        }
    }
}
