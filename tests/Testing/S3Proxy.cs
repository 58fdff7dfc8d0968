using System.Net;

namespace OrleansCache.Testing;

/// <summary>
/// Stands before a real S3 and makes it one of another kind: answers some requests itself, and rewrites headers of answers. Requests pass
/// as they are, so that signatures hold.
/// </summary>
public sealed class S3Proxy : IAsyncDisposable
{
    private static readonly string[] Hop = ["Connection", "Transfer-Encoding", "Content-Length", "Keep-Alive"];

    private readonly HttpListener _listener = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false });
    private readonly Uri _target;
    private readonly Task _serving;

    public S3Proxy(Uri target)
    {
        _target = target;
        Url = new Uri($"http://127.0.0.1:{FreePort.Next()}");
        _listener.Prefixes.Add(Url.AbsoluteUri);
        _listener.Start();
        _serving = ServeAsync();
    }

    public Uri Url { get; }

    /// <summary>Answers a request in the store's place (a status and an error's code); null: the store answers.</summary>
    public Func<HttpListenerRequest, (int Status, string Body)?> Answer { get; set; } = static _ => null;

    /// <summary>Changes the ETag of an object that is answered.</summary>
    public Func<string, string> ETag { get; set; } = static etag => etag;

    /// <summary>Passes requests on without a <c>Content-MD5</c> that is not signed, as if the store made nothing of it.</summary>
    public bool DropsMd5 { get; set; }

    /// <summary>Method and raw URL of each request.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<string> Requests { get; } = new();

    public static (int Status, string Body) Error(int status, string code, string message = "") =>
        (status, $"<Error><Code>{code}</Code><Message>{message}</Message></Error>");

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving;
        _http.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            _ = PassAsync(context);
        }
    }

    private async Task PassAsync(HttpListenerContext context)
    {
        var (request, response) = (context.Request, context.Response);
        try
        {
            Requests.Enqueue($"{request.HttpMethod} {request.RawUrl}");
            using var body = new MemoryStream();
            await request.InputStream.CopyToAsync(body);
            if (Answer(request) is { } answer)
            {
                response.StatusCode = answer.Status;
                if (request.HttpMethod != "HEAD")
                    await response.OutputStream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(answer.Body));
                response.Close();
                return;
            }

            using var passed = new HttpRequestMessage(new HttpMethod(request.HttpMethod),
                new Uri(_target, request.RawUrl))
            { Content = new ByteArrayContent(body.ToArray()) };
            foreach (var name in request.Headers.AllKeys.OfType<string>()
                .Where(name => !Hop.Contains(name, StringComparer.OrdinalIgnoreCase)
                && !(DropsMd5 && name == "Content-MD5" && !request.RawUrl!.Contains("content-md5", StringComparison.Ordinal))))
            {
                if (!passed.Headers.TryAddWithoutValidation(name, request.Headers[name]))
                    passed.Content.Headers.TryAddWithoutValidation(name, request.Headers[name]);
            }

            using var answered = await _http.SendAsync(passed);
            response.StatusCode = (int)answered.StatusCode;
            foreach (var (name, values) in answered.Headers.Concat(answered.Content.Headers)
                .Where(h => !Hop.Contains(h.Key, StringComparer.OrdinalIgnoreCase)))
                response.Headers.Add(name, name == "ETag" ? $"\"{ETag(values.Single().Trim('"'))}\"" : string.Join(',', values));
            var bytes = await answered.Content.ReadAsByteArrayAsync();
            if (request.HttpMethod == "HEAD")
                response.ContentLength64 = answered.Content.Headers.ContentLength ?? 0;
            else
                await response.OutputStream.WriteAsync(bytes);
            response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or HttpRequestException or IOException or ObjectDisposedException)
        {
            response.Abort();
        }
    }
}
