using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>
/// The bytes cannot be sent by this grant any more (it was aborted, or somebody else finished): ask what has become of the path.
/// </summary>
internal sealed class GrantEndedException(string message) : Exception(message);

/// <summary>PUTs to presigned URLs.</summary>
internal sealed partial class UploadClient(HttpMessageInvoker http, RetryPolicy retry)
{
    /// <summary>How often one PUT may ask for a fresh URL because the store refuses the old one.</summary>
    private const int MaxFreshUrls = 3;

    // A connection slower than that is as good as dead.
    public const long LeastBytesPerSecond = 16 << 10;

    private static readonly TimeSpan LeastTimeout = TimeSpan.FromSeconds(60);

    /// <summary>Sends the body, however often it takes.</summary>
    /// <param name="url">Gives the URL; asked with true when the last one was refused.</param>
    /// <exception cref="GrantEndedException">The grant is over.</exception>
    /// <exception cref="CliException">The store refuses, or cannot be reached.</exception>
    public async Task PutAsync(string what, Func<bool, CancellationToken, ValueTask<Uri>> url, IReadOnlyDictionary<string, string> headers,
        SegmentedBuffer body, CancellationToken cancellationToken)
    {
        var (refused, attempts, fresh) = (0, 0, false);
        Uri? target = null;
        try
        {
            await retry.RunAsync($"uploading {what}", SendAsync, cancellationToken);
        }
        catch (CliException e) when (e is { ExitCode: ExitCodes.Unreachable, IsComplete: false } && target is not null)
        {
            throw new CliException(e.ExitCode,
                $"{e.Message}\nThe server sends uploads to {target.GetLeftPart(UriPartial.Authority)}: its --public-url, or its " +
                "--s3-upload-endpoint, must be one that this machine reaches.", e);
        }

        async Task<bool> SendAsync(CancellationToken c)
        {
            while (true)
            {
                // A store that refuses an expired URL may close the connection while the body is under way: then no 403 is seen.
                target = await url(fresh || attempts++ > 1, c);
                fresh = false;
                if (await PutOnceAsync(what, target, headers, body, c) is not { } refusal)
                    return true;
                var store = $"The store at {target.GetLeftPart(UriPartial.Authority)}";
                if (Code().Match(refusal) is { Success: true, Value: "QuotaExceeded" or "InsufficientStorage" } full)
                    throw new CliException(ExitCodes.Failed,
                        $"{store} has no room for {what} ({full.Value}): its quota is used up. Who runs the cache raises it, or collects garbage.");
                if (++refused > MaxFreshUrls)
                    throw new CliException(ExitCodes.Failed,
                        $"{store} refuses to take {what} (HTTP " +
                        $"403{(Code().Match(refusal) is { Success: true } code ? $" {code}" : "")}), with fresh URLs too. Are the clocks " +
                        "of the server and the store right, and may the key that signs its upload URLs put there?");
                fresh = true;
            }
        }
    }

    /// <summary>Null: it is there, now or already; else how a URL was refused (HTTP 403).</summary>
    private async Task<string?> PutOnceAsync(string what, Uri url, IReadOnlyDictionary<string, string> headers, SegmentedBuffer body,
        CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(LeastTimeout + TimeSpan.FromSeconds(body.Length / LeastBytesPerSecond));
        using var request = new HttpRequestMessage(HttpMethod.Put, url) { Content = new SegmentsContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        // Unsigned, as nobody knew it when the URL was made. The store compares; with Object Lock it takes nothing without.
        request.Content.Headers.ContentMD5 = body.Md5;
        using var response = await http.SendAsync(request, timeout.Token);
        var status = response.StatusCode;
        if (response.IsSuccessStatusCode)
        {
            await response.Content.CopyToAsync(Stream.Null, timeout.Token); // or the connection is not used again
            return null;
        }

        var text = await response.Content.ReadAsByteArrayAsync(timeout.Token);
        return status switch
        {
            // The URL writes a key of our own once only: an attempt whose answer was lost has arrived. The server checks what is there.
            HttpStatusCode.PreconditionFailed => null,
            HttpStatusCode.Forbidden => Encoding.UTF8.GetString(text),
            HttpStatusCode.NotFound or HttpStatusCode.Gone =>
                throw new GrantEndedException($"the upload of {what} has ended (HTTP {(int)status})"),
            // S3: another request for the same key is under way, such as our own first attempt.
            HttpStatusCode.Conflict => throw new TransientException("HTTP 409 Conflict", Api.RetryAfter(response),
                exitCode: ExitCodes.Failed),
            _ when RetryPolicy.IsTransient(status) =>
                throw new TransientException($"{url.GetLeftPart(UriPartial.Authority)} answers {Misdirected.Describe(response)}",
                Api.RetryAfter(response), exitCode: ExitCodes.Failed),
            _ when Misdirected.Explain(response, url.GetLeftPart(UriPartial.Authority)) is { } misdirected => throw misdirected,
            _ => throw new CliException(ExitCodes.Failed,
                $"The store at {url.GetLeftPart(UriPartial.Authority)} does not take {what}: " +
                $"{Api.ReadProblem(response, text)?.Detail ?? $"HTTP {(int)status} {response.ReasonPhrase}\n{Shorten(Encoding.UTF8.GetString(text))}"}"),
        };
    }

    [GeneratedRegex("(?<=<Code>)[A-Za-z0-9.]{1,60}(?=</Code>)")]
    private static partial Regex Code();

    private static string Shorten(string text) => text.Length <= 500 ? text : text[..500] + "…";
}
