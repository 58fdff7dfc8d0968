using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// PUTs and deletions that the store itself refuses after a fence, because their presigned URL has expired: a request stuck in a stopped
/// process, a socket or a proxy has no effect later. They use an HttpClient of their own, because the SDK repeats requests by itself and
/// each attempt must be known.
/// </summary>
internal sealed class S3FencedWrites(S3Presigner presigner, HttpClient http, AdaptiveLimit limit, TimeProvider clock, string keyPrefix)
{
    private const int MaxKeys = 1_000;
    private const int MaxAtOnce = 16;

    private static readonly StoreAnswer NoDeleteResult = new(
        StoreStep.Refuse, "no DeleteResult",
        "The deletion of many keys was answered with success, and without the document in which a store says so. Let no proxy answer " +
        "in the store's place.");

    // An attempt without an answer in this time counts as not answered. After the fence only a refusal can come, so the wait ends soon
    // after it.
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AfterFence = TimeSpan.FromSeconds(2);

    /// <summary>The store deletes many keys in one request. Off: one request a key.</summary>
    public bool DeletesMany { get; set; } = true;

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var sent = new Dictionary<string, string>
        {
            ["cache-control"] = headers.CacheControl,
            ["content-md5"] = Convert.ToBase64String(MD5.HashData(body.Span)),
            ["content-type"] = headers.ContentType,
        };
        if (headers.ContentEncoding is { } encoding)
            sent["content-encoding"] = encoding;
        return (await SendAsync($"PUT {key}", "PUT", key, [], sent, body, fence, cancellationToken)).Outcome;
    }

    public Task<FencedOutcome[]> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence, CancellationToken cancellationToken) =>
        DeletesMany ? DeleteManyAsync(keys, fence, cancellationToken) : DeleteEachAsync(keys, fence, cancellationToken);

    public async Task<FencedOutcome[]> DeleteManyAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var outcomes = new FencedOutcome[keys.Count];
        for (var from = 0; from < keys.Count; from += MaxKeys)
            await DeleteManyAsync(keys, from, Math.Min(MaxKeys, keys.Count - from), outcomes, fence, cancellationToken);
        return outcomes;
    }

    public async Task<FencedOutcome[]> DeleteEachAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var outcomes = new FencedOutcome[keys.Count];
        await Parallel.ForAsync(0, keys.Count,
            new ParallelOptions { MaxDegreeOfParallelism = MaxAtOnce, CancellationToken = cancellationToken },
            async (i, stop) =>
            outcomes[i] = (await TryDeleteAsync($"DELETE of {keys[i]}", "DELETE", keys[i], [], [], default, fence, stop)).Outcome);
        return outcomes;
    }

    private async Task DeleteManyAsync(IReadOnlyList<ObjectKey> keys, int from, int count, FencedOutcome[] outcomes, DateTimeOffset fence,
        CancellationToken cancellationToken)
    {
        var open = Enumerable.Range(from, count).ToList();
        var uncertain = new HashSet<int>();
        for (var attempt = 0; open.Count > 0; attempt++)
        {
            var body = Encoding.UTF8.GetBytes(new XElement("Delete", new XElement("Quiet", "true"),
                open.Select(i => new XElement("Object", new XElement("Key", keyPrefix + keys[i]))))
                    .ToString(SaveOptions.DisableFormatting));
            var headers = new Dictionary<string, string>
            {
                ["content-md5"] = Convert.ToBase64String(MD5.HashData(body)),
                ["content-type"] = "application/xml"
            };
            var answer = await TryDeleteAsync(open.Count == 1 ? $"DELETE of {keys[open[0]]}" : $"DELETE of {open.Count} keys", "POST", null,
                [("delete", "")], headers, body, fence, cancellationToken);
            if (answer.IsSuccess && !S3ErrorDocument.IsDeleteResult(answer.Body))
            {
                // A narinfo that counts as deleted but is still there would lose its NAR.
                NoDeleteResult.Count();
                foreach (var i in open)
                    outcomes[i] = FencedOutcome.Unknown.Because(NoDeleteResult);
                return;
            }

            var failed = answer.IsSuccess ? S3ErrorDocument.Failures(answer.Body) : [];
            var again = new List<int>();
            foreach (var i in open)
            {
                var failure = failed.GetValueOrDefault(keyPrefix + keys[i]);
                // A missing key counts as deleted.
                if (failure?.Step == StoreStep.Understand)
                    failure = null;
                // A deletion that failed inside the server may still be under way there.
                if (failure is { Step: StoreStep.Ask } or { Code: "ServiceUnavailable" } || answer.Outcome == FencedOutcome.Unknown)
                    uncertain.Add(i);
                outcomes[i] = uncertain.Contains(i) ? FencedOutcome.Unknown.Because(failure ?? answer.Outcome.Answer)
                    : failure is null ? answer.Outcome : FencedOutcome.Refused.Because(failure);
                failure?.Count();
                if (failure is { IsRefusal: false })
                    again.Add(i);
            }

            open = again;
            if (open.Count > 0)
                await PauseAsync(attempt, fence, cancellationToken);
        }
    }

    // Returns an outcome even when the store refuses the whole request, as an earlier attempt may have left some keys uncertain.
    private async Task<Answer> TryDeleteAsync(
        string what, string method, ObjectKey? key, (string, string)[] query, Dictionary<string, string> headers, ReadOnlyMemory<byte> body,
        DateTimeOffset fence, CancellationToken cancellationToken)
    {
        try
        {
            return await SendAsync(what, method, key, query, headers, body, fence, cancellationToken);
        }
        catch (ObjectStoreException e) when (e.Answer is { } refusal)
        {
            return new Answer(FencedOutcome.Refused.Because(refusal), false, "");
        }
    }

    /// <summary>
    /// Sends until it is answered for good or the fence has passed. <see cref="FencedOutcome.Done"/> and
    /// <see cref="FencedOutcome.Refused"/> only when every attempt was answered (rule 5 of the life of a path: a success after an attempt
    /// that was not answered is still unknown, for that attempt may yet take effect).
    /// </summary>
    private async Task<Answer> SendAsync(
        string what, string method, ObjectKey? key, (string, string)[] query, Dictionary<string, string> headers, ReadOnlyMemory<byte> body,
        DateTimeOffset fence, CancellationToken cancellationToken)
    {
        var unanswered = false;
        StoreAnswer? last = null;
        for (var attempt = 0; clock.GetUtcNow() < fence; attempt++)
        {
            if (!await TryAcquireAsync(fence, cancellationToken))
                break;
            var throttled = false;
            var observed = StoreCall.Begin(method == "PUT" ? StoreCall.Put : StoreCall.Delete, what);
            var observation = StoreCall.Failed;
            try
            {
                using var request = new HttpRequestMessage(new HttpMethod(method),
                    presigner.UntilFence(method, key, query, headers, fence, clock.GetUtcNow()))
                {
                    Content = new ReadOnlyMemoryContent(body),
                };
                foreach (var (name, value) in headers)
                {
                    if (!request.Headers.TryAddWithoutValidation(name, value))
                        request.Content.Headers.TryAddWithoutValidation(name, value);
                }

                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timeout.CancelAfter(Least(AttemptTimeout, fence - clock.GetUtcNow() + AfterFence));
                using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
                var text = await response.Content.ReadAsStringAsync(timeout.Token);
                var (code, words) = S3ErrorDocument.Read(text);
                if (response.IsSuccessStatusCode && code is null)
                {
                    observation = key is null && S3ErrorDocument.Failures(text).Count > 0 ? StoreCall.Refused : StoreCall.Ok;
                    return new Answer(unanswered ? FencedOutcome.Unknown : FencedOutcome.Done, true, text);
                }

                var said = StoreAnswer.Of((int)response.StatusCode, code, words);
                if (method == "DELETE" && said.Step == StoreStep.Understand)
                {
                    // A missing key counts as deleted.
                    observation = StoreCall.Ok;
                    return new Answer(unanswered ? FencedOutcome.Unknown : FencedOutcome.Done, true, "");
                }

                last = said.AsRefusal();
                last.Count();
                observation = last.Outcome;
                // Some servers say AccessDenied and no more; the store's clock, or ours, then tells whether the URL has expired.
                var hasExpired = (response.StatusCode == HttpStatusCode.Forbidden
                    && text.Contains("expired", StringComparison.OrdinalIgnoreCase))
                    || response.Headers.Date >= fence.AddSeconds(-1) || clock.GetUtcNow() >= fence;
                switch (last.Step)
                {
                    case StoreStep.Repeat:
                        throttled = response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable;
                        break;
                    case StoreStep.Ask:
                        unanswered = true;
                        break;
                    case var _ when unanswered:
                        return new Answer(FencedOutcome.Unknown.Because(last), false, text);
                    case var _ when hasExpired:
                        return new Answer(FencedOutcome.Refused.Because(last), false, text);
                    default:
                        throw new ObjectStoreException(what, last);
                }
            }
            catch (HttpRequestException e) when (e.HttpRequestError
                is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
            {
                // No connection was made, so nothing was sent.
                (last = StoreAnswer.None).Count();
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException
                && !cancellationToken.IsCancellationRequested)
            {
                (last = StoreAnswer.None).Count();
                unanswered = true;
            }
            finally
            {
                observed.End(cancellationToken.IsCancellationRequested ? null : observation);
                limit.Release(throttled);
            }

            await PauseAsync(attempt, fence, cancellationToken);
        }

        return new Answer((unanswered ? FencedOutcome.Unknown : FencedOutcome.Refused).Because(last ?? StoreAnswer.Late), false, "");
    }

    private async Task<bool> TryAcquireAsync(DateTimeOffset fence, CancellationToken cancellationToken)
    {
        using var untilFence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        untilFence.CancelAfter(Least(TimeSpan.FromHours(1), fence - clock.GetUtcNow()));
        try
        {
            await limit.AcquireAsync(untilFence.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task PauseAsync(int attempt, DateTimeOffset fence, CancellationToken cancellationToken) =>
        await Task.Delay(Least(Backoff.Pause(attempt), fence - clock.GetUtcNow()), cancellationToken);

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => b < a ? (b > TimeSpan.Zero ? b : TimeSpan.Zero) : a;

    private readonly record struct Answer(FencedOutcome Outcome, bool IsSuccess, string Body);
}
