using System.Net;
using System.Net.Sockets;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Http;

/// <summary>What a failed request means for the next attempt.</summary>
internal sealed class TransientException(string message, TimeSpan? retryAfter = null, Exception? inner = null,
    int exitCode = ExitCodes.Unreachable) : Exception(message, inner)
{
    /// <summary>The exit code when no attempt succeeds.</summary>
    public int ExitCode { get; } = exitCode;

    /// <summary>The server works and fails at this request, so waiting for minutes will hardly help.</summary>
    public bool LooksLikeABug { get; init; }

    /// <summary>The server's Retry-After, if it sent one.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>
/// Tries again after 408, 429, 5xx and network errors, until it has spent <see cref="Patience"/> on waiting: exponential backoff with full
/// jitter, so that a fleet does not come back in step, and never sooner than <c>Retry-After</c>.
/// </summary>
internal sealed record RetryPolicy
{
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The most time that one request spends on waiting: enough for a server to restart.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>The most attempts at a request that fails with a plain 500 each time.</summary>
    public int MaxServerErrors { get; init; } = 5;

    public Func<TimeSpan, CancellationToken, Task> Delay { get; init; } = Task.Delay;

    /// <summary>Gets the error of each failed attempt, without a full stop, and the delay.</summary>
    public Action<string, TimeSpan>? OnRetry { get; init; }

    public async Task<T> RunAsync<T>(string what, Func<CancellationToken, Task<T>> attempt, CancellationToken cancellationToken)
    {
        var waited = TimeSpan.Zero;
        var serverErrors = 0;
        for (var tries = 0; ; tries++)
        {
            try
            {
                return await attempt(cancellationToken);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && AsTransient(e) is { } transient)
            {
                var delay = DelayBefore(tries, transient.RetryAfter);
                serverErrors += transient.LooksLikeABug ? 1 : 0;
                if (waited + delay > Patience || serverErrors >= MaxServerErrors)
                    throw new CliException(transient.ExitCode, tries == 0 ? $"{what} failed: {transient.Message}"
                        : $"{what} failed {tries + 1} times; the last answer: {transient.Message}", e);
                OnRetry?.Invoke($"{what}: {transient.Message.TrimEnd('.')}", delay);
                await Delay(delay, cancellationToken);
                waited += delay;
            }
        }
    }

    public static bool IsTransient(HttpStatusCode status) => status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests
        || ((int)status >= 500 && status is not (HttpStatusCode.NotImplemented or HttpStatusCode.InsufficientStorage));

    /// <summary>Network errors and timeouts; null for errors that another attempt would not change.</summary>
    internal static TransientException? AsTransient(Exception e) => e switch
    {
        TransientException transient => transient,
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => null,
        HttpRequestException http => new TransientException(Describe(http), null, http),
        // Not the caller's own cancellation, which was handled before: this is a timeout.
        OperationCanceledException => new TransientException("no answer in time"),
        IOException io => new TransientException(io.Message, null, io),
        // A connection that is reset while it is made: the HTTP client passes that error on unchanged.
        SocketException socket => new TransientException($"no connection ({socket.Message})", null, socket),
        _ => null,
    };

    private TimeSpan DelayBefore(int tries, TimeSpan? retryAfter)
    {
        var ceiling = Math.Min(MaxDelay.TotalMilliseconds, FirstDelay.TotalMilliseconds * Math.Pow(2, Math.Min(tries, 20)));
#pragma warning disable CA5394 // jitter is no secret
        var jittered = TimeSpan.FromMilliseconds(ceiling * (0.5 + Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
        return retryAfter > jittered ? retryAfter.Value : jittered;
    }

    private static string Describe(HttpRequestException e) => e.HttpRequestError switch
    {
        HttpRequestError.NameResolutionError => "the name of the server is not known",
        HttpRequestError.ConnectionError => $"no connection ({e.InnerException?.Message ?? e.Message})",
        HttpRequestError.ResponseEnded => "the connection was closed before the answer",
        _ => e.InnerException is IOException io ? $"{e.Message} ({io.Message})" : e.Message,
    };
}
