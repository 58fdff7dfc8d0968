using System.Net;
using System.Net.Http.Headers;
using System.Text;
using OrleansCache.Cli.Http;

namespace OrleansCache.Storm;

/// <param name="Text">The body.</param>
internal sealed record ForeignAnswer(HttpStatusCode Status, string Text, string? ETag)
{
    public bool Is(params HttpStatusCode[] expected) => expected.Contains(Status);

    /// <exception cref="ForeignRefusalException">It is none of those; a client that gets that gives up.</exception>
    public ForeignAnswer OrThrow(string what, params HttpStatusCode[] expected) => Is(expected) ? this
        : throw new ForeignRefusalException(Status, $"{what}: {(int)Status} {Text}");
}

internal sealed class ForeignRefusalException(HttpStatusCode status, string message) : Exception(message)
{
    public HttpStatusCode Status => status;
}

/// <summary>
/// Sends the requests of clients that are not ours through the balancer, again and again while the answer is a temporary one.
/// </summary>
internal sealed class ForeignHttp(HttpMessageInvoker balancer, RetryPolicy retry, AuthenticationHeaderValue credential, string userAgent)
{
    // As our own clients have it.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(100);

    public Task<ForeignAnswer> SendAsync(HttpMethod method, string path, Func<HttpContent>? content, CancellationToken cancellationToken,
        bool anonymous = false) =>
        retry.RunAsync($"{method} {path}", c => OnceAsync(method, path, content, anonymous, c), cancellationToken);

    /// <summary>One attempt.</summary>
    /// <exception cref="TransientException">The answer says that another attempt may succeed.</exception>
    public async Task<ForeignAnswer> OnceAsync(HttpMethod method, string path, Func<HttpContent>? content, bool anonymous,
        CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Timeout);
        using var request = new HttpRequestMessage(method, new Uri(StormWorld.Balancer, path)) { Content = content?.Invoke() };
        if (!anonymous)
            request.Headers.Authorization = credential;
        if (userAgent.Length > 0)
            request.Headers.UserAgent.ParseAdd(userAgent);
        if (method == HttpMethod.Put)
            request.Headers.ExpectContinue = true;
        using var answer = await balancer.SendAsync(request, timeout.Token);
        var text = await answer.Content.ReadAsStringAsync(timeout.Token);
        return RetryPolicy.IsTransient(answer.StatusCode)
            ? throw new TransientException($"{(int)answer.StatusCode} {text.Trim()}", answer.Headers.RetryAfter?.Delta)
            : new ForeignAnswer(answer.StatusCode, text, answer.Headers.ETag?.Tag);
    }

    public static Func<HttpContent> Body(byte[] bytes, string type, string? encoding = null) => () =>
    {
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        if (encoding is not null)
            content.Headers.ContentEncoding.Add(encoding);
        return content;
    };

    public static Func<HttpContent> Text(string text, string type) => Body(Encoding.UTF8.GetBytes(text), type);
}
