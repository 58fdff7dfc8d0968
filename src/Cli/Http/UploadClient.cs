using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>The grant has ended, as its push was aborted or another push finished the upload: ask what has become of the path.</summary>
internal sealed class GrantEndedException(string message) : Exception(message);

/// <summary>PUTs to presigned URLs.</summary>
internal sealed partial class UploadClient(HttpMessageInvoker http, RetryPolicy retry)
{
    /// <summary>How often one PUT may ask for a fresh URL after the store refused the last one.</summary>
    private const int MaxFreshUrls = 3;

    // A slower connection counts as dead.
    public const long LeastBytesPerSecond = 16 << 10;

    private static readonly TimeSpan LeastTimeout = TimeSpan.FromSeconds(60);

    /// <summary>Sends the body, in as many attempts as the policy allows.</summary>
    /// <param name="url">Gives the URL; true asks for a fresh one, as the store refused the last.</param>
    /// <exception cref="GrantEndedException">The grant has ended.</exception>
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
                // A store may cut the connection when it refuses an expired URL in the middle of the body, and the 403 is lost. So later
                // attempts ask for a fresh URL.
                target = await url(fresh || attempts++ > 1, c);
                fresh = false;
                if (await PutOnceAsync(what, target, headers, body, c) is not { } refusal)
                    return true;
                var store = $"The store at {target.GetLeftPart(UriPartial.Authority)}";
                if (Code().Match(refusal) is { Success: true, Value: "QuotaExceeded" or "InsufficientStorage" } full)
                    throw new CliException(ExitCodes.Failed,
                        $"{store} has no room for {what} ({full.Value}): its quota is used up. Ask the cache's operator to raise it, or " +
                            "to collect garbage.");
                if (++refused > MaxFreshUrls)
                    throw new CliException(ExitCodes.Failed,
                        $"{store} refuses to take {what} (HTTP " +
                        $"403{(Code().Match(refusal) is { Success: true } code ? $" {code}" : "")}), with fresh URLs too. Are the clocks " +
                        "of the server and the store right, and may the key that signs its upload URLs put there?");
                fresh = true;
            }
        }
    }

    /// <summary>Null: the object is there, now or from before; else the store's text about a refused URL (HTTP 403).</summary>
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

        // Unsigned, as the MD5 was unknown when the URL was made. The store compares it; with Object Lock it requires it.
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
            // A URL writes a key once, and the key is ours alone: an earlier attempt, whose answer was lost, has arrived. The server checks
            // the object.
            HttpStatusCode.PreconditionFailed => null,
            HttpStatusCode.Forbidden => Encoding.UTF8.GetString(text),
            HttpStatusCode.NotFound or HttpStatusCode.Gone =>
                throw new GrantEndedException($"the upload of {what} has ended (HTTP {(int)status})"),
            // S3 processes another request for the same key, such as our own first attempt.
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
