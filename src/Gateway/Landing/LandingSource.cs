using OrleansCache.Contracts;
using OrleansCache.Gateway.Parts;

namespace OrleansCache.Gateway.Landing;

/// <summary>The current page, made anew every few seconds at most.</summary>
internal sealed class LandingSource(GatewayParts parts) : IDisposable
{
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _one = new(1);
    private byte[]? _page;
    private long _made;

    /// <exception cref="CacheProblemException">The database does not answer, and no page has been made yet.</exception>
    public async Task<byte[]> ReadAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_page is null || parts.Time.GetElapsedTime(_made) >= Life)
            {
                _page = await MakeAsync(cancellationToken);
                _made = parts.Time.GetTimestamp();
            }

            return _page;
        }
        catch (CacheProblemException) when (_page is not null)
        {
            // An old page is better than none.
            return _page;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<byte[]> MakeAsync(CancellationToken cancellationToken)
    {
        var numbers = await parts.ReadNumbers(CacheName.Default, cancellationToken);
        var pins = await parts.Pins.ListAsync(CacheName.Default, cancellationToken);
        var status = await parts.Collection.StatusAsync(CacheName.Default, cancellationToken);
        return LandingPage.Render(new LandingContent(parts.PublicUrl.OriginalString, parts.PublicKeys, parts.Priority, parts.IsPrivate,
            numbers, pins.Pins, status.Last));
    }
}
