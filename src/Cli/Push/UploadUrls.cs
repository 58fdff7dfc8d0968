using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Push;

/// <summary>The URLs of one grant. Asks for more parts, and for fresh URLs when the old ones expire or are refused.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001",
    Justification = "A semaphore whose wait handle nobody asks for holds nothing to release.")]
internal sealed class UploadUrls(Api api, string push, UploadGrant grant, TimeProvider time)
{
    private const int PartsAtOnce = 100;

    private readonly SemaphoreSlim _one = new(1);
    private readonly Dictionary<int, Uri> _parts = grant.Parts.Index().ToDictionary(part => part.Index + 1, part => part.Item);
    private Uri? _url = grant.Url;
    private long _expires = grant.Expires.UtcTicks; // Read and written at any time.

    // A store may read all of a body before it refuses the URL, so an expired URL is not used.
    private bool HasExpired => time.GetUtcNow().UtcTicks >= Interlocked.Read(ref _expires);

    /// <summary>The URL of the single PUT.</summary>
    public async ValueTask<Uri> SingleAsync(bool fresh, CancellationToken cancellationToken)
    {
        if (!fresh && !HasExpired && _url is { } url)
            return url;
        var answer = await AskAsync(new UrlsRequest(), cancellationToken);
        return _url = answer.Grant.Url ?? throw Unusable();
    }

    /// <summary>The URL of a part, numbered from 1.</summary>
    public async ValueTask<Uri> PartAsync(int number, bool fresh, CancellationToken cancellationToken)
    {
        var old = Known(number);
        fresh |= HasExpired;
        if (!fresh && old is not null)
            return old;
        await _one.WaitAsync(cancellationToken);
        try
        {
            // Another thread's question may have brought our answer.
            if (Known(number) is { } known && (!fresh || known != old))
                return known;
            var answer = await AskAsync(new UrlsRequest { FirstPart = number, Count = PartsAtOnce }, cancellationToken);
            lock (_parts)
            {
                foreach (var (i, url) in answer.Grant.Parts.Index())
                    _parts[answer.FirstPart + i] = url;
            }

            return Known(number) ?? throw Unusable();
        }
        finally
        {
            _one.Release();
        }
    }

    private Uri? Known(int number)
    {
        lock (_parts)
            return _parts.GetValueOrDefault(number);
    }

    private async Task<UrlsAnswer> AskAsync(UrlsRequest request, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await api.UrlsAsync(push, grant.Id, request, cancellationToken);
            // When a fresh URL seems expired, our clock is wrong; then only the store decides.
            Interlocked.Exchange(ref _expires, (time.GetUtcNow() < answer.Grant.Expires ? answer.Grant.Expires
                : DateTimeOffset.MaxValue).UtcTicks);
            return answer;
        }
        catch (CacheException e) when (!e.BeginAgain
            && e.Status is System.Net.HttpStatusCode.NotFound or System.Net.HttpStatusCode.Conflict)
        {
            throw new GrantEndedException(e.Message);
        }
    }

    private static CliException Unusable() =>
        new(ExitCodes.Failed, "The server gave no URL for an upload that it granted: it does not speak this version of the protocol.");
}
