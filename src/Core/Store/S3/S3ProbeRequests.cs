using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>Single presigned requests for the probes, as a client would send them. Each is repeated until it is answered.</summary>
internal sealed class S3ProbeRequests(S3Presigner presigner, HttpClient http, TimeProvider clock, string keyPrefix)
{
    private const int Attempts = 4;
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(10);

    /// <param name="method">The HTTP method.</param>
    /// <param name="key">Null: a listing of what begins with <paramref name="listed"/>.</param>
    /// <param name="body">Of a PUT.</param>
    /// <param name="headers">Signed ones, names in lower case.</param>
    /// <param name="md5">Sends this as the body's MD5, unsigned, as clients do.</param>
    /// <param name="range">The <c>Range</c> header.</param>
    /// <param name="listed">Of a listing.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ObjectStoreException">It was not answered.</exception>
    public async Task<ProbeReply> SendAsync(
        string method, ObjectKey? key, byte[]? body, CancellationToken cancellationToken,
        IReadOnlyDictionary<string, string>? headers = null,
        byte[]? md5 = null, string? range = null, string listed = "")
    {
        headers ??= new Dictionary<string, string>();
        for (var attempt = 1; ; attempt++)
        {
            StoreAnswer trouble;
            try
            {
                var now = clock.GetUtcNow();
                (string, string)[] query = key is null ? [("list-type", "2"), ("max-keys", "1"), ("prefix", keyPrefix + listed)] : [];
                using var request = new HttpRequestMessage(new HttpMethod(method),
                    presigner.UntilFence(method, key, query, headers, now + Life, now));
                if (body is not null)
                {
                    request.Content = new ByteArrayContent(body);
                    request.Content.Headers.ContentMD5 = md5;
                }

                foreach (var (name, value) in headers)
                    request.Headers.TryAddWithoutValidation(name, value);
                if (range is not null)
                    request.Headers.TryAddWithoutValidation("range", range);
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timeout.CancelAfter(AttemptTimeout);
                using var response = await http.SendAsync(request, timeout.Token);
                var bytes = await response.Content.ReadAsByteArrayAsync(timeout.Token);
                var reply = new ProbeReply((int)response.StatusCode, null, bytes, response.Headers.ETag?.Tag.Trim('"'),
                    response.Headers.Date);
                if (response.IsSuccessStatusCode)
                    return reply;
                var (code, words) = S3ErrorDocument.Read(System.Text.Encoding.UTF8.GetString(bytes));
                trouble = StoreAnswer.Of(reply.Status, code, words);
                // A probe that sends an MD5 wants to see the store's answer to it.
                if (trouble.Step is not (StoreStep.Repeat or StoreStep.Ask) || (md5 is not null && reply.Status == 400))
                    return reply with { Answer = trouble };
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException
                && !cancellationToken.IsCancellationRequested)
            {
                trouble = StoreAnswer.None;
            }

            if (attempt == Attempts)
                throw new ObjectStoreException($"{method} {key?.ToString() ?? "of a listing"}", trouble);
            await Task.Delay(Backoff.Pause(attempt - 1), cancellationToken);
        }
    }
}

/// <param name="Answer">Null: a success.</param>
/// <param name="Date">The store's clock.</param>
internal sealed record ProbeReply(int Status, StoreAnswer? Answer, byte[] Body, string? ETag, DateTimeOffset? Date)
{
    public bool IsSuccess => Answer is null;
}
