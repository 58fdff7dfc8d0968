using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Tokens;

/// <summary>
/// Talks to an issuer of tokens for a person: the device flow (RFC 8628), the refresh of what came of it, and its end. All endpoints are
/// the issuer's own, as its discovery document names them.
/// </summary>
internal sealed class IssuerClient(HttpMessageInvoker http, RetryPolicy retry)
{
    private const string DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
    private const int MaxAnswer = 1 << 20;
    private const int DefaultInterval = 5;
    private const string NoDeviceFlow = "has no device flow";
    private const string NoTokens = "has no token endpoint";

    // RFC 8628, section 3.5: each slow_down adds so much for good.
    private const int SlowDown = 5;
    private static readonly string[] DefaultScopes = ["openid", "offline_access"];
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <summary>True of https, and of http on this machine.</summary>
    public static bool IsSafe(Uri url) => url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback);

    /// <summary>What a login there asks for.</summary>
    public static string ScopesOf(LoginIssuer issuer) => string.Join(' ', issuer.Scopes ?? DefaultScopes);

    /// <summary>Sends a request to somebody who may never answer.</summary>
    public static async Task<HttpResponseMessage> SendAsync(HttpMessageInvoker http, HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Timeout);
        var answer = await http.SendAsync(request, timeout.Token);
        try
        {
            await answer.Content.LoadIntoBufferAsync(MaxAnswer, timeout.Token);
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>Begins a login: what the person has to open and to enter.</summary>
    /// <exception cref="CliException">The issuer has no device flow, or refuses.</exception>
    public async Task<DeviceLogin> BeginAsync(LoginIssuer issuer, CancellationToken cancellationToken)
    {
        var found = await DiscoverAsync(issuer.Issuer, cancellationToken);
        var device = Endpoint(found.DeviceEndpoint, issuer.Issuer, NoDeviceFlow);
        var (answer, error) = await PostAsync("beginning the login", device, new()
        {
            ["client_id"] = issuer.ClientId!,
            ["scope"] = ScopesOf(issuer),
        }, IssuerJson.Default.DeviceAnswer, cancellationToken);
        if (answer is not { DeviceCode.Length: > 0, UserCode.Length: > 0, VerificationUri.Length: > 0 })
            throw Refused(issuer.Issuer, error);
        return new DeviceLogin(issuer, Endpoint(found.TokenEndpoint, issuer.Issuer, NoTokens), answer);
    }

    /// <summary>Asks until the person has agreed.</summary>
    /// <exception cref="CliException">The person refused, or was too slow.</exception>
    public async Task<TokenAnswer> WaitAsync(DeviceLogin login, CancellationToken cancellationToken)
    {
        var pause = TimeSpan.FromSeconds(Math.Clamp(login.Answer.Interval ?? DefaultInterval, 1, 60));
        var left = TimeSpan.FromSeconds(Math.Clamp(login.Answer.ExpiresIn ?? 600, 1, 3600));
        while (left > TimeSpan.Zero)
        {
            await retry.Delay(pause, cancellationToken);
            left -= pause;
            var (answer, error) = await PostAsync("waiting for the login", login.TokenEndpoint, new()
            {
                ["grant_type"] = DeviceGrant,
                ["device_code"] = login.Answer.DeviceCode!,
                ["client_id"] = login.Issuer.ClientId!,
            }, IssuerJson.Default.TokenAnswer, cancellationToken);
            if (answer is not null)
                return answer.IdToken is not null ? answer : throw new CliException(ExitCodes.Refused,
                    $"{Text.Printable(login.Issuer.Issuer)} gives no ID token, which alone says who logs in and for whom: an admin of " +
                    "the server has to name the scope 'openid', or another issuer.")
                { IsComplete = true };
            switch (error?.Error)
            {
                case "authorization_pending":
                    break;
                case "slow_down":
                    pause += TimeSpan.FromSeconds(SlowDown);
                    break;
                case "access_denied":
                    throw new CliException(ExitCodes.Refused, $"The login was refused at {Text.Printable(login.Issuer.Issuer)}.")
                    { IsComplete = true };
                case "expired_token":
                    left = TimeSpan.Zero;
                    break;
                default:
                    throw Refused(login.Issuer.Issuer, error);
            }
        }

        throw new CliException(ExitCodes.Failed, "The code has expired before anybody entered it: log in again.");
    }

    /// <summary>A new token for a refresh token. Some issuers give no ID token then.</summary>
    /// <exception cref="CliException">The issuer refuses: the person has to log in again.</exception>
    public async Task<TokenAnswer> RefreshAsync(string issuer, string clientId, string refreshToken, CancellationToken cancellationToken)
    {
        var found = await DiscoverAsync(issuer, cancellationToken);
        var (answer, error) = await PostAsync("refreshing the login", Endpoint(found.TokenEndpoint, issuer, NoTokens), new()
        {
            ["grant_type"] = "refresh_token",
            ["refresh_token"] = refreshToken,
            ["client_id"] = clientId,
        }, IssuerJson.Default.TokenAnswer, cancellationToken);
        return answer ?? throw Refused(issuer, error);
    }

    /// <summary>Ends a refresh token (RFC 7009).</summary>
    /// <returns>False: the issuer has nothing for that.</returns>
    /// <exception cref="CliException">The issuer does not answer, or refuses.</exception>
    public async Task<bool> RevokeAsync(string issuer, string clientId, string refreshToken, CancellationToken cancellationToken)
    {
        var found = await DiscoverAsync(issuer, cancellationToken);
        if (found.RevocationEndpoint is null)
            return false;
        var (_, error) = await PostAsync("ending the login", Endpoint(found.RevocationEndpoint, issuer, ""), new()
        {
            ["token"] = refreshToken,
            ["token_type_hint"] = "refresh_token",
            ["client_id"] = clientId,
        }, IssuerJson.Default.TokenAnswer, cancellationToken);
        return error is null ? true : throw new CliException(ExitCodes.Failed,
            $"{Text.Printable(issuer)} does not end it ({Reason(error)})");
    }

    private static CliException Refused(string issuer, ErrorAnswer? error) => new(ExitCodes.Refused,
        $"{Text.Printable(issuer)} gives no token ({Reason(error)}): log in again with 'orleans-cache login'.")
    { IsComplete = true };

    private static string Reason(ErrorAnswer? error) => Text.Printable(error?.Description ?? error?.Error ?? "it does not say why");

    // Nobody but the issuer is sent a code or a refresh token, whatever its document or the server says.
    private static Uri Endpoint(string? text, string issuer, string lack) => text is null
        ? throw new CliException(ExitCodes.Usage, $"{Text.Printable(issuer)} {lack}: paste a token instead (--paste).")
        : !Uri.TryCreate(text, UriKind.Absolute, out var url) || !IsSafe(url)
            ? throw new CliException(ExitCodes.Usage, $"{Text.Printable(issuer)} names {Text.Printable(text)}, which is no https URL.")
        : Uri.TryCreate(issuer, UriKind.Absolute, out var own) && own.Scheme == url.Scheme && own.Host == url.Host ? url
            : throw new CliException(ExitCodes.Usage, $"{Text.Printable(issuer)} names {Text.Printable(text)}, which is another host's: " +
                "only endpoints of the issuer's own host are asked. Paste a token instead (--paste).");

    private Task<Discovery> DiscoverAsync(string issuer, CancellationToken cancellationToken)
    {
        var url = Endpoint($"{issuer.TrimEnd('/')}/.well-known/openid-configuration", issuer, "");
        return retry.RunAsync("asking the issuer for its configuration", async c =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            using var answer = await SendAsync(http, request, c);
            if (RetryPolicy.IsTransient(answer.StatusCode))
                throw new TransientException($"{url.Host} answers {Misdirected.Describe(answer)}", Api.RetryAfter(answer));
            if (!answer.IsSuccessStatusCode
                || Parse(await answer.Content.ReadAsByteArrayAsync(c), IssuerJson.Default.Discovery) is not { } found)
                throw new CliException(ExitCodes.Failed, $"{url} answers no configuration of an issuer ({Misdirected.Describe(answer)}).");
            return found.Issuer?.TrimEnd('/') == issuer.TrimEnd('/') ? found : throw new CliException(ExitCodes.Failed,
                $"{url} is the configuration of another issuer, '{Text.Printable(found.Issuer ?? "")}': the server has to name that one.");
        }, cancellationToken);
    }

    // The errors of OAuth come as 400 with a body, or as 401 and 403.
    private Task<(T? Answer, ErrorAnswer? Error)> PostAsync<T>(string what, Uri url, Dictionary<string, string> form, JsonTypeInfo<T> type,
        CancellationToken cancellationToken) where T : class => retry.RunAsync<(T?, ErrorAnswer?)>(what, async c =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new FormUrlEncodedContent(form) };
            request.Headers.Accept.ParseAdd("application/json");
            using var answer = await SendAsync(http, request, c);
            if (RetryPolicy.IsTransient(answer.StatusCode))
                throw new TransientException($"{url.Host} answers {Misdirected.Describe(answer)}", Api.RetryAfter(answer));
            var body = await answer.Content.ReadAsByteArrayAsync(c);
            // One issuer answers its errors with 200.
            var error = Parse(body, IssuerJson.Default.ErrorAnswer);
            if (answer.IsSuccessStatusCode && error?.Error is null)
                return (Parse(body, type), null);
            return (null, error ?? new ErrorAnswer { Error = Misdirected.Describe(answer) });
        }, cancellationToken);

    private static T? Parse<T>(byte[] body, JsonTypeInfo<T> type) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(body, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
