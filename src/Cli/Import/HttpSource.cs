using System.Net;
using System.Net.Http.Headers;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Import;

/// <summary>A cache behind a web server, which tells what is asked for by its name.</summary>
/// <param name="url">With a slash at its end.</param>
/// <param name="http">Follows no redirects and decodes nothing.</param>
/// <param name="retry">For each request.</param>
/// <param name="authorization">Sent to the cache itself, and to nobody that it leads to.</param>
internal sealed class HttpSource(Uri url, HttpMessageInvoker http, RetryPolicy retry, AuthenticationHeaderValue? authorization) : ISource
{
    private const int MaxRedirects = 10;

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);

    public string Name => url.AbsoluteUri.TrimEnd('/');

    public bool Lists => false;

    public IAsyncEnumerable<string> ListAsync(string folder, CancellationToken cancellationToken) => AsyncEnumerable.Empty<string>();

    public Task<SourceObject?> ReadAsync(string key, CancellationToken cancellationToken) =>
        retry.RunAsync($"reading {key} of {Name}", async c =>
        {
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(c);
            timeout.CancelAfter(AnswerTimeout);
            var escaped = string.Join('/', key.Split('/').Select(Uri.EscapeDataString));
            using var response = await GetAsync(new Uri(url, escaped), 0, timeout.Token);
            return response is null ? null : new SourceObject(await response.Content.ReadAsByteArrayAsync(timeout.Token),
                response.Content.Headers.ContentEncoding.LastOrDefault());
        }, cancellationToken);

    public Stream? Open(string url, CancellationToken cancellationToken)
    {
        var what = $"{url} of {Name}";
        return OpenAt(0, cancellationToken).GetAwaiter().GetResult() is { } first
            ? new ResumedStream(what, first, OpenAt, cancellationToken) : null;

        Task<Stream?> OpenAt(long offset, CancellationToken cancel) => retry.RunAsync($"reading {what}", c => OpenAsync(url, offset, c),
            cancel);
    }

    // The connections are the caller's.
    public void Dispose()
    {
    }

    private async Task<Stream?> OpenAsync(string file, long offset, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(url, file, out var target) || target.Scheme is not ("http" or "https"))
            throw new IOException($"'{file}' is no URL of a file");
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(AnswerTimeout);
        var response = await GetAsync(target, offset, timeout.Token);
        if (response is null)
            return null;
        // Disposing of the stream gives the connection back.
        var stream = await response.Content.ReadAsStreamAsync(timeout.Token);
        if (offset > 0 && response.StatusCode != HttpStatusCode.PartialContent)
            await SkipAsync(stream, offset, cancellationToken);
        return stream;
    }

    private async Task<HttpResponseMessage?> GetAsync(Uri target, long offset, CancellationToken cancellationToken)
    {
        for (var redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, target);
            request.Headers.UserAgent.ParseAdd(Connections.UserAgent);
            if (offset > 0)
                request.Headers.Range = new RangeHeaderValue(offset, null);
            if (target.Scheme == url.Scheme && target.Authority == url.Authority)
                request.Headers.Authorization = authorization;
            var response = await http.SendAsync(request, cancellationToken);
            if (response.IsSuccessStatusCode)
                return response;
            using (response)
            {
                var status = response.StatusCode;
                if ((int)status is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } location && redirects < MaxRedirects)
                {
                    target = new Uri(target, location);
                    continue;
                }

                // A bucket that may not be listed says 403 of what it does not have, as Nix knows.
                if (status is HttpStatusCode.NotFound or HttpStatusCode.Gone
                    || (status is HttpStatusCode.Forbidden && authorization is null))
                    return null;
                if (RetryPolicy.IsTransient(status))
                    throw new TransientException($"HTTP {(int)status} {response.ReasonPhrase}", Api.RetryAfter(response));
                var login = status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden
                    ? ". Who may read it? --source-token-file names a file with the password or token" : "";
                throw new CliException(ExitCodes.Failed,
                    $"{target.GetLeftPart(UriPartial.Path)} answers HTTP {(int)status} {response.ReasonPhrase}{login}.");
            }
        }
    }

    private static async Task SkipAsync(Stream stream, long count, CancellationToken cancellationToken)
    {
        var buffer = new byte[128 << 10];
        while (count > 0)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, count)), cancellationToken);
            if (read == 0)
                throw new IOException("it is shorter than before");
            count -= read;
        }
    }
}
