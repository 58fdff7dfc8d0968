using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace OrleansCache.Core.Objects;

/// <summary>
/// PUTs and deletions that the store itself refuses after a fence, because their presigned URL has expired: a request that is stuck in a stopped process, a socket or
/// a proxy can do nothing later. Sent with an HttpClient of their own, because each attempt must be known: the SDK repeats on its own.
/// </summary>
internal sealed class S3FencedWrites(S3Presigner presigner, HttpClient http, AdaptiveLimit limit, TimeProvider clock, string keyPrefix)
{
    private const int MostKeys = 1_000;

    // No answer within this: the attempt counts as not answered. An answer after the fence can only be a refusal, so it is not waited for much longer.
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AfterFence = TimeSpan.FromSeconds(2);

    public async Task<FencedOutcome> PutAsync(ObjectKey key, ReadOnlyMemory<byte> body, ObjectHeaders headers, DateTimeOffset fence, CancellationToken cancel)
    {
        var sent = new Dictionary<string, string>
        {
            ["cache-control"] = headers.CacheControl,
            ["content-md5"] = Convert.ToBase64String(MD5.HashData(body.Span)),
            ["content-type"] = headers.ContentType,
        };
        if (headers.ContentEncoding is { } encoding)
            sent["content-encoding"] = encoding;
        var answer = await SendAsync($"PUT {key}", "PUT", key, [], sent, body, fence, cancel);
        return answer.Outcome;
    }

    public async Task<FencedOutcome[]> DeleteAsync(IReadOnlyList<ObjectKey> keys, DateTimeOffset fence, CancellationToken cancel)
    {
        var outcomes = new FencedOutcome[keys.Count];
        for (var from = 0; from < keys.Count; from += MostKeys)
            await DeleteAsync(keys, from, Math.Min(MostKeys, keys.Count - from), outcomes, fence, cancel);
        return outcomes;
    }

    private async Task DeleteAsync(IReadOnlyList<ObjectKey> keys, int from, int count, FencedOutcome[] outcomes, DateTimeOffset fence, CancellationToken cancel)
    {
        var open = Enumerable.Range(from, count).ToList();
        var uncertain = new HashSet<int>();
        for (var attempt = 0; open.Count > 0; attempt++)
        {
            var body = Encoding.UTF8.GetBytes(new XElement("Delete", new XElement("Quiet", "true"),
                open.Select(i => new XElement("Object", new XElement("Key", keyPrefix + keys[i])))).ToString(SaveOptions.DisableFormatting));
            var headers = new Dictionary<string, string> { ["content-md5"] = Convert.ToBase64String(MD5.HashData(body)), ["content-type"] = "application/xml" };
            var answer = await SendAsync($"DELETE of {open.Count} keys", "POST", null, [("delete", "")], headers, body, fence, cancel);
            var failed = answer.IsSuccess ? Failures(answer.Body) : [];
            var again = new List<int>();
            foreach (var i in open)
            {
                // A key that failed inside the server may still be under way there.
                var code = failed.GetValueOrDefault(keyPrefix + keys[i]);
                if (code is "InternalError" or "ServiceUnavailable" || answer.Outcome == FencedOutcome.Unknown)
                    uncertain.Add(i);
                outcomes[i] = uncertain.Contains(i) ? FencedOutcome.Unknown : code is null ? answer.Outcome : FencedOutcome.Refused;
                if (code is "InternalError" or "ServiceUnavailable" or "SlowDown")
                    again.Add(i);
            }

            open = again;
            if (open.Count > 0)
                await PauseAsync(attempt, fence, cancel);
        }
    }

    /// <summary>
    /// Sends until it is answered for good or the fence has passed. <see cref="FencedOutcome.Done"/> and <see cref="FencedOutcome.Refused"/> only when every attempt was
    /// answered (rule 5 of the life of a path: a success after an attempt that was not answered is still unknown, for that attempt may yet take effect).
    /// </summary>
    private async Task<Answer> SendAsync(
        string what, string method, ObjectKey? key, (string, string)[] query, Dictionary<string, string> headers, ReadOnlyMemory<byte> body, DateTimeOffset fence, CancellationToken cancel)
    {
        var unanswered = false;
        for (var attempt = 0; clock.GetUtcNow() < fence; attempt++)
        {
            if (!await TryAcquireAsync(fence, cancel))
                break;
            var throttled = false;
            var observed = StoreCall.Begin(key is null ? StoreCall.Delete : StoreCall.Put, what);
            var observation = StoreCall.Failed;
            try
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), presigner.UntilFence(method, key, query, headers, fence, clock.GetUtcNow()))
                {
                    Content = new ReadOnlyMemoryContent(body),
                };
                foreach (var (name, value) in headers)
                {
                    if (!request.Headers.TryAddWithoutValidation(name, value))
                        request.Content.Headers.TryAddWithoutValidation(name, value);
                }

                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                timeout.CancelAfter(Least(AttemptTimeout, fence - clock.GetUtcNow() + AfterFence));
                using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
                var text = await response.Content.ReadAsStringAsync(timeout.Token);
                observation = (int)response.StatusCode switch { < 400 => StoreCall.Ok, < 500 => StoreCall.Refused, _ => StoreCall.Failed };
                switch (Judge(response.StatusCode, text, out var code))
                {
                    case Verdict.Success:
                        return new Answer(unanswered ? FencedOutcome.Unknown : FencedOutcome.Done, true, text);
                    case Verdict.Expired:
                        return new Answer(unanswered ? FencedOutcome.Unknown : FencedOutcome.Refused, false, text);
                    case Verdict.Refusal when unanswered:
                        return new Answer(FencedOutcome.Unknown, false, text);
                    // Some servers say AccessDenied and nothing more: then the store's clock tells, or ours.
                    case Verdict.Refusal when response.Headers.Date >= fence.AddSeconds(-1) || clock.GetUtcNow() >= fence:
                        return new Answer(FencedOutcome.Refused, false, text);
                    case Verdict.Refusal:
                        throw new ObjectStoreException($"{what}: the store refused with {(int)response.StatusCode} {code}", isTransient: false);
                    case Verdict.Busy:
                        throttled = true;
                        break;
                    case Verdict.NotAnswered:
                        unanswered = true;
                        break;
                }
            }
            catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
            {
                // There was no connection, so nothing was sent.
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !cancel.IsCancellationRequested)
            {
                unanswered = true;
            }
            finally
            {
                observed.End(cancel.IsCancellationRequested ? null : observation);
                limit.Release(throttled);
            }

            await PauseAsync(attempt, fence, cancel);
        }

        return new Answer(unanswered ? FencedOutcome.Unknown : FencedOutcome.Refused, false, "");
    }

    /// <summary>What an answer proves. Only the store's own words (an error document) prove that it has finished with the request; a proxy's 502, 503 or 504 does not.</summary>
    private static Verdict Judge(HttpStatusCode status, string text, out string code)
    {
        code = ErrorCode(text) ?? "";
        return (int)status switch
        {
            >= 200 and < 300 when code.Length == 0 => Verdict.Success,
            403 when text.Contains("expired", StringComparison.OrdinalIgnoreCase) => Verdict.Expired,
            429 => Verdict.Busy,
            503 when code is "SlowDown" or "ServiceUnavailable" or "Busy" => Verdict.Busy,
            408 or 409 when code.Length > 0 => Verdict.Busy, // A body that did not arrive in time; another operation on this key under way.
            400 when code is "RequestTimeout" => Verdict.Busy,
            >= 300 and < 500 and not 408 => Verdict.Refusal,
            _ => Verdict.NotAnswered,
        };
    }

    private static string? ErrorCode(string text) => Parse(text) is { Name.LocalName: "Error" } error ? Child(error, "Code") ?? "unnamed" : null;

    /// <summary>The error code of each key in a multi-object delete's answer that was not deleted.</summary>
    private static Dictionary<string, string> Failures(string text) =>
        Parse(text)?.Elements().Where(e => e.Name.LocalName == "Error").ToDictionary(e => Child(e, "Key") ?? "", e => Child(e, "Code") ?? "unnamed") ?? [];

    private static string? Child(XElement parent, string name) => parent.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value;

    private static XElement? Parse(string text)
    {
        try
        {
            return text.Length == 0 ? null : XDocument.Parse(text).Root;
        }
        catch (XmlException)
        {
            return null;
        }
    }

    private async Task<bool> TryAcquireAsync(DateTimeOffset fence, CancellationToken cancel)
    {
        using var untilFence = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        untilFence.CancelAfter(Least(TimeSpan.FromHours(1), fence - clock.GetUtcNow()));
        try
        {
            await limit.AcquireAsync(untilFence.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    private async Task PauseAsync(int attempt, DateTimeOffset fence, CancellationToken cancel) =>
        await Task.Delay(Least(Backoff.Pause(attempt), fence - clock.GetUtcNow()), cancel);

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => b < a ? (b > TimeSpan.Zero ? b : TimeSpan.Zero) : a;

    private enum Verdict
    {
        Success,
        Expired,
        Refusal,
        Busy,
        NotAnswered,
    }

    private readonly record struct Answer(FencedOutcome Outcome, bool IsSuccess, string Body);
}
