using System.Net;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>URLs for clients, and what the keys may do that sign them.</summary>
public sealed partial class S3ObjectStore
{
    private static readonly TimeSpan PublicPatience = TimeSpan.FromSeconds(5);

    public SignedUrl SignPut(ObjectKey key, long? maxSize, TimeSpan life)
    {
        // The client that puts an object also sets the headers for the bucket's readers.
        var stored = KeyHeaders.For(key);
        var headers = new Dictionary<string, string> { ["cache-control"] = stored.CacheControl, ["content-type"] = stored.ContentType };
        if (_options.IfNoneMatch)
            headers["if-none-match"] = "*";
        var (url, expires) = _uploads.ForLife("PUT", key, [], headers, _clock.GetUtcNow(), life);
        return new SignedUrl(url, headers, expires);
    }

    public Uri? SignGet(ObjectKey key, TimeSpan life) => _reads?.ForLife("GET", key, [], NoHeaders, _clock.GetUtcNow(), life).Url;

    public async Task<Uri?> FindPublicUrlAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var url = new Uri($"{_given.BucketUrl.AbsoluteUri.TrimEnd('/')}/{UriText.Path(_prefix + key)}");
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(PublicPatience);
        try
        {
            using var answer = await _http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
            return answer.StatusCode == HttpStatusCode.OK ? url : null;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>The rights of the key that signs clients' URLs, found by trying it; null when that is the server's own key.</summary>
    /// <exception cref="ObjectStoreException">The store did not tell.</exception>
    public async Task<UploadKeyRights?> ProbeUploadKeyAsync(CancellationToken cancellationToken) => _uploadKey is null ? null
        : await _uploadKey.TryUploadsAsync(cancellationToken);

    /// <summary>The rights of the key that signs readers' URLs, found by trying it; null when there is none.</summary>
    /// <exception cref="ObjectStoreException">The store did not tell.</exception>
    public async Task<ReadKeyRights?> ProbeReadKeyAsync(CancellationToken cancellationToken) => _readKey is null ? null
        : await _readKey.TryReadsAsync(cancellationToken);
}
