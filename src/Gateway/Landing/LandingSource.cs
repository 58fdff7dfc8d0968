using OrleansCache.Contracts;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Landing;

/// <summary>The current page of each cache, made anew every few seconds at most.</summary>
internal sealed class LandingSource(GatewayParts parts) : IDisposable
{
    private const int MaxPages = 100;
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _one = new(1);
    private readonly Dictionary<CacheName, (byte[] Page, long Made)> _pages = [];

    /// <exception cref="CacheProblemException">The database does not answer, and no page has been made yet.</exception>
    public async Task<byte[]> ReadAsync(CacheView view, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        var isKnown = _pages.TryGetValue(view.Name, out var known);
        try
        {
            if (isKnown && parts.Time.GetElapsedTime(known.Made) < Life)
                return known.Page;
            if (!isKnown && _pages.Count == MaxPages)
                _pages.Clear();
            known = (await MakeAsync(view, cancellationToken), parts.Time.GetTimestamp());
            _pages[view.Name] = known;
            return known.Page;
        }
        catch (CacheProblemException e) when (isKnown && e.IsOutage)
        {
            // An old page is better than none.
            return known.Page;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<byte[]> MakeAsync(CacheView view, CancellationToken cancellationToken)
    {
        var numbers = await parts.ReadNumbers(view.Name, cancellationToken);
        var pins = await parts.Pins.ListAsync(view.Name, cancellationToken);
        var status = await parts.Collection.StatusAsync(view.Name, cancellationToken);
        return LandingPage.Render(new LandingContent(view.Url.OriginalString, view.PublicKeys, view.Priority, view.IsPrivate, numbers,
            pins.Pins, status.Last));
    }
}
