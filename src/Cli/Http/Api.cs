using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Cli.Common;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Http;

/// <summary>The v1 routes of one cache. The policy repeats each call, and each is harmless when repeated.</summary>
internal sealed partial class Api(HttpMessageInvoker http, Uri baseUrl, string cache, TokenSource tokens, RetryPolicy retry)
{
    /// <summary>Compressing a smaller body saves too little to notice.</summary>
    private const int CompressFrom = 16 << 10;

    // Hashes hardly compress better at a higher level than the fastest.
    private const int Level = 1;
    private const string ZstdCoding = "zstd";
    private const int MaxAnswerBytes = 512 << 20;

    // Commit answers after 45 s at the latest, wait after 60 s.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(100);

    // What concerns all caches of a server.
    private const string ServerRoutes = "/v1/";

    private readonly string _server = baseUrl.AbsoluteUri.TrimEnd('/');
    private readonly string _root = $"{baseUrl.AbsoluteUri.TrimEnd('/')}/v1/caches/{Uri.EscapeDataString(cache)}";

    public Api(HttpMessageInvoker http, Uri baseUrl, string cache, string? token, RetryPolicy retry)
        : this(http, baseUrl, cache, TokenSource.Of(token), retry)
    {
    }

    /// <summary>How one comes by a token of this server.</summary>
    public Task<LoginInfo> LoginAsync(CancellationToken cancellationToken) =>
        SendAsync("asking how to log in", HttpMethod.Get, "/v1/login", null, ProtocolJson.Default.LoginInfo, cancellationToken);

    public Task<CacheInfo> InfoAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the cache", HttpMethod.Get, "", null, ProtocolJson.Default.CacheInfo, cancellationToken);

    public Task<ServerWarnings> WarningsAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for warnings", HttpMethod.Get, "/warnings", null, ProtocolJson.Default.ServerWarnings, cancellationToken);

    public Task<PushOpened> BeginAsync(BeginPush push, string idempotencyKey, CancellationToken cancellationToken) =>
        SendAsync("begin", HttpMethod.Post, "/pushes", Body(push, ProtocolJson.Default.BeginPush), ProtocolJson.Default.PushOpened,
            cancellationToken, idempotencyKey);

    public Task<ReportAnswer> ReportAsync(string push, UploadReport report, CancellationToken cancellationToken) =>
        SendAsync("reporting uploads", HttpMethod.Post, $"/pushes/{push}/uploaded", Body(report, ProtocolJson.Default.UploadReport),
            ProtocolJson.Default.ReportAnswer, cancellationToken);

    public Task<WaitAnswer> WaitAsync(string push, WaitRequest request, CancellationToken cancellationToken) =>
        SendAsync("waiting", HttpMethod.Post, $"/pushes/{push}/wait", Body(request, ProtocolJson.Default.WaitRequest),
            ProtocolJson.Default.WaitAnswer, cancellationToken);

    public Task<UrlsAnswer> UrlsAsync(string push, string upload, UrlsRequest request, CancellationToken cancellationToken) =>
        SendAsync("asking for upload URLs", HttpMethod.Post, $"/pushes/{push}/uploads/{upload}/urls",
            Body(request, ProtocolJson.Default.UrlsRequest), ProtocolJson.Default.UrlsAnswer, cancellationToken);

    /// <summary>Sends many NARs in one request: their lines, and their bytes.</summary>
    /// <exception cref="CacheException">The server, or something before it, does not take this; nothing was stored.</exception>
    public Task<BatchAnswer> UploadAsync(byte[] lines, SegmentedBuffer bodies, CancellationToken cancellationToken) =>
        retry.RunAsync("uploading small NARs", async c =>
            (await AttemptAsync(HttpMethod.Post, "/uploads", () => new SegmentsContent(bodies, lines), ProtocolJson.Default.BatchAnswer,
                null, c, body: bodies.Length)).Answer!, cancellationToken);

    /// <summary>Asks again until the push is committed.</summary>
    /// <param name="waits">Gets each time what the server waits for.</param>
    public async Task<CommitAnswer> CommitAsync(string push, Action<string>? waits, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (answer, retryAfter, _) = await retry.RunAsync("commit", c => AttemptAsync(HttpMethod.Post, $"/pushes/{push}/commit", null,
                ProtocolJson.Default.CommitAnswer, null, c), cancellationToken);
            if (answer!.State == PushState.Committed)
                return answer;
            if (answer.WaitsFor is { } reason)
                waits?.Invoke(reason);
            await retry.Delay(retryAfter ?? TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    public Task<RenewAnswer> RenewAsync(string push, CancellationToken cancellationToken) =>
        SendAsync("renewing the push", HttpMethod.Post, $"/pushes/{push}/renew", null, ProtocolJson.Default.RenewAnswer, cancellationToken);

    public Task<MissingAnswer> MissingAsync(MissingRequest request, CancellationToken cancellationToken) =>
        SendAsync("asking what is missing", HttpMethod.Post, "/missing", Body(request, ProtocolJson.Default.MissingRequest),
            ProtocolJson.Default.MissingAnswer, cancellationToken);

    public Task<PinList> PinsAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the pins", HttpMethod.Get, "/pins", null, ProtocolJson.Default.PinList, cancellationToken);

    public Task<Pin> PinAsync(PinName name, CancellationToken cancellationToken) =>
        SendAsync("asking for the pin", HttpMethod.Get, $"/pins/{name}", null, ProtocolJson.Default.Pin, cancellationToken);

    public Task<Pin> SetPinAsync(PinName name, SetPin pin, long? ifRevision, CancellationToken cancellationToken) =>
        SendAsync("setting the pin", HttpMethod.Put, $"/pins/{name}", Body(pin, ProtocolJson.Default.SetPin), ProtocolJson.Default.Pin,
            cancellationToken, NewKey(), ifRevision);

    public Task<Pin> RollBackAsync(PinName name, RollbackPin rollback, long? ifRevision, CancellationToken cancellationToken) =>
        SendAsync("rolling the pin back", HttpMethod.Post, $"/pins/{name}/rollback", Body(rollback, ProtocolJson.Default.RollbackPin),
            ProtocolJson.Default.Pin, cancellationToken, NewKey(), ifRevision);

    /// <summary>False: the pin is deleted, and will leave the bucket soon.</summary>
    public async Task<bool> DeletePinAsync(PinName name, long? ifRevision, CancellationToken cancellationToken)
    {
        var key = NewKey();
        var reply = await retry.RunAsync("deleting the pin", c => AttemptAsync<Pin>(HttpMethod.Delete, $"/pins/{name}", null, null, key, c,
            ifRevision), cancellationToken);
        return reply.Status != HttpStatusCode.Accepted;
    }

    /// <summary>Ends the push. One attempt, as nobody wants to wait for it.</summary>
    public async Task AbortAsync(string push, CancellationToken cancellationToken) =>
        await AttemptAsync<CommitAnswer>(HttpMethod.Delete, $"/pushes/{push}", null, null, null, cancellationToken);

    // One key for all attempts at a change, so that the server does it once.
    private static string NewKey() => Guid.NewGuid().ToString("N");

    private async Task<T> SendAsync<T>(
        string what, HttpMethod method, string route, RequestBody? body, JsonTypeInfo<T> type, CancellationToken cancellationToken,
        string? idempotencyKey = null, long? ifRevision = null) =>
        (await retry.RunAsync(what, c => AttemptAsync(method, route, body is null ? null : body.ToContent, type, idempotencyKey, c,
            ifRevision), cancellationToken)).Answer!;

    /// <param name="ifRevision">The revision that a pin must have for a change; 0: there must be no such pin.</param>
    /// <param name="body">Bytes of the body, for which a slow connection gets more time.</param>
    private async Task<Reply<T>> AttemptAsync<T>(
        HttpMethod method, string route, Func<HttpContent>? content, JsonTypeInfo<T>? type, string? idempotencyKey,
        CancellationToken cancellationToken, long? ifRevision = null, long body = 0)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var time = Timeout + TimeSpan.FromSeconds(body / UploadClient.LeastBytesPerSecond);
        using var response = await AuthorizedAsync(() => Request(method, UrlOf(route), content, idempotencyKey, ifRevision), timeout, time,
            cancellationToken);
        return await AnswerAsync(response, type, timeout.Token);
    }

    /// <summary>
    /// Sends a request with the token, and once more with another one when the server refuses it: a token that expires in the middle of a
    /// push is no reason to end the push. Only the request itself is bounded in time, not what finds the token.
    /// </summary>
    private async Task<HttpResponseMessage> AuthorizedAsync(Func<HttpRequestMessage> make, CancellationTokenSource timeout, TimeSpan time,
        CancellationToken cancellationToken)
    {
        var token = await tokens.GetAsync(cancellationToken);
        while (true)
        {
            using var request = make();
            if (token is not null)
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            timeout.CancelAfter(time);
            var response = await http.SendAsync(request, timeout.Token);
            if (response.StatusCode != HttpStatusCode.Unauthorized || token is null)
                return response;
            timeout.CancelAfter(System.Threading.Timeout.InfiniteTimeSpan);
            if (!await tokens.RenewAsync(token, cancellationToken) || await tokens.GetAsync(cancellationToken) is not { } other
                || other == token)
            {
                timeout.CancelAfter(time);
                return response;
            }

            response.Dispose();
            token = other;
        }
    }

    private static HttpRequestMessage Request(HttpMethod method, string url, Func<HttpContent>? content, string? idempotencyKey,
        long? ifRevision)
    {
        var request = new HttpRequestMessage(method, url) { Content = content?.Invoke() };
        if (method == HttpMethod.Post && content is null)
            request.Content = new ByteArrayContent([]);
        if (idempotencyKey is not null)
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        if (ifRevision is 0)
            request.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        else if (ifRevision is { } revision)
            request.Headers.IfMatch.Add(new EntityTagHeaderValue(string.Create(CultureInfo.InvariantCulture, $"\"{revision}\"")));
        request.Headers.AcceptEncoding.ParseAdd($"{ZstdCoding}, gzip");
        return request;
    }

    private async Task<Reply<T>> AnswerAsync<T>(HttpResponseMessage response, JsonTypeInfo<T>? type, CancellationToken cancellationToken)
    {
        var answer = await ReadAsync(response.Content, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw Failure(response, answer);
        try
        {
            return new Reply<T>(type is null ? default : JsonSerializer.Deserialize(answer, type), RetryAfter(response),
                response.StatusCode);
        }
        catch (JsonException e)
        {
            throw new CliException(ExitCodes.Failed,
                $"{_root} answered something that is not this protocol ({e.Message}). Is it an orleans-cache server, at this path?");
        }
    }

    private string UrlOf(string route) => (route.StartsWith(ServerRoutes, StringComparison.Ordinal) ? _server : _root) + route;

    private async Task<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var bytes = await content.ReadAsByteArrayAsync(cancellationToken);
        if (!content.Headers.ContentEncoding.Contains(ZstdCoding))
            return bytes;
        try
        {
            return Zstd.Decompress(bytes, MaxAnswerBytes);
        }
        catch (InvalidDataException e)
        {
            throw new CliException(ExitCodes.Failed, $"{_root} answered what cannot be decompressed: {e.Message}", e);
        }
    }

    private Exception Failure(HttpResponseMessage response, byte[] content)
    {
        var problem = ReadProblem(response, content);
        var misdirected = problem is null ? Misdirected.Explain(response, _root) : null;
        // The caller can split a body that is too large; no other of these errors can be worked around.
        if (misdirected is not null && response.StatusCode is not HttpStatusCode.RequestEntityTooLarge)
            return misdirected;
        var detail = problem is null ? misdirected?.Message ?? Misdirected.Describe(response) : problem.Detail ?? problem.Title;
        if (RetryPolicy.IsTransient(response.StatusCode))
        {
            var gateway = response.StatusCode
                is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;
            return new TransientException(detail, RetryAfter(response), exitCode: gateway ? ExitCodes.Unreachable
                : ExitCodes.Failed)
            { LooksLikeABug = response.StatusCode is HttpStatusCode.InternalServerError };
        }

        if (response.StatusCode is HttpStatusCode.NotFound && problem is null)
            detail = $"{_root} is not there (HTTP 404): the URL may lack a path, or it is another kind of server";
        else if (response.StatusCode is HttpStatusCode.NotFound && baseUrl.AbsolutePath.LastIndexOf("/c/", StringComparison.Ordinal)
            is >= 0 and var at)
            detail = $"{detail} That URL is stock Nix's: give --url the server's own, " +
                $"{new Uri(baseUrl, baseUrl.AbsolutePath[..(at + 1)]).AbsoluteUri.TrimEnd('/')}.";
        return new CacheException(response.StatusCode, problem?.Type, detail, problem?.Paths);
    }

    internal static Problem? ReadProblem(HttpResponseMessage response, byte[] content)
    {
        if (response.Content.Headers.ContentType?.MediaType is not ("application/problem+json" or "application/json"))
            return null;
        try
        {
            return JsonSerializer.Deserialize(content, ProtocolJson.Default.Problem);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Retry-After, as seconds or a date; at most five minutes, whatever the server says.</summary>
    internal static TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        if (response.Headers.RetryAfter is not { } header)
            return null;
        var delay = header.Delta ?? header.Date - (response.Headers.Date ?? DateTimeOffset.UtcNow) ?? TimeSpan.Zero;
        return delay < TimeSpan.Zero ? TimeSpan.Zero : delay > TimeSpan.FromMinutes(5) ? TimeSpan.FromMinutes(5) : delay;
    }

    private static RequestBody Body<T>(T value, JsonTypeInfo<T> type)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(value, type);
        return json.Length < CompressFrom ? new RequestBody(json, null) : new RequestBody(Zstd.Compress(json, Level), ZstdCoding);
    }

    private readonly record struct Reply<T>(T? Answer, TimeSpan? RetryAfter, HttpStatusCode Status);

    private sealed record RequestBody(byte[] Bytes, string? Encoding)
    {
        public ByteArrayContent ToContent()
        {
            var content = new ByteArrayContent(Bytes);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            if (Encoding is not null)
                content.Headers.ContentEncoding.Add(Encoding);
            return content;
        }
    }
}
