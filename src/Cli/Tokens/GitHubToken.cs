using System.Net.Http.Headers;
using System.Text.Json;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Tokens;

/// <summary>
/// The identity of a job of GitHub's or Forgejo's actions: asked for at the runner, for one audience (see <see cref="JobAudience"/>).
/// </summary>
/// <param name="http">Reaches the runner.</param>
/// <param name="url">The variable <see cref="UrlVariable"/>.</param>
/// <param name="secret">The variable <see cref="SecretVariable"/>.</param>
/// <param name="findAudience">Finds the audience.</param>
/// <param name="retry">Repeats what fails.</param>
/// <param name="time">Tells when the token expires.</param>
internal sealed class GitHubToken(HttpMessageInvoker http, string url, string secret,
    Func<CancellationToken, Task<string>> findAudience, RetryPolicy retry, TimeProvider time) : RenewableToken(time)
{
    public const string UrlVariable = "ACTIONS_ID_TOKEN_REQUEST_URL";
    public const string SecretVariable = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

    private string? _audience;

    public override string Name => $"the job's identity ({UrlVariable})";

    protected override async Task<string> LoadAsync(CancellationToken cancellationToken)
    {
        _audience ??= await findAudience(cancellationToken);
        if (!Uri.TryCreate($"{url}{(url.Contains('?', StringComparison.Ordinal) ? '&' : '?')}audience={Uri.EscapeDataString(_audience)}",
            UriKind.Absolute, out var asked) || !IssuerClient.IsSafe(asked))
            throw new CliException(ExitCodes.Usage, $"{UrlVariable} is no https URL: it is set by the runner of a job.");
        return await retry.RunAsync("asking for the job's identity", c => AskAsync(asked, c), cancellationToken);
    }

    private async Task<string> AskAsync(Uri asked, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, asked);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secret);
        request.Headers.Accept.ParseAdd("application/json");
        using var answer = await IssuerClient.SendAsync(http, request, cancellationToken);
        if (RetryPolicy.IsTransient(answer.StatusCode))
            throw new TransientException($"{asked.Host} answers {Misdirected.Describe(answer)}", Api.RetryAfter(answer));
        if (!answer.IsSuccessStatusCode)
            throw new CliException(ExitCodes.Refused,
                $"{asked.Host} gives this job no identity ({Misdirected.Describe(answer)}): it needs 'permissions: id-token: write'.")
            { IsComplete = true };
        try
        {
            using var body = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancellationToken));
            return Check(body.RootElement.GetProperty("value").GetString() ?? "", $"The identity that {asked.Host} gives");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new CliException(ExitCodes.Failed, $"{asked.Host} answered no identity: {e.Message}", e);
        }
    }
}
