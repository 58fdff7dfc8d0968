using OrleansCache.Cli.Common;
namespace OrleansCache.Cli.Http;

/// <summary>
/// Explains answers that neither an orleans-cache server nor a store gives: a proxy, or something else at the URL, gave them.
/// </summary>
internal static class Misdirected
{
    /// <summary>An error that names who answered and what to change; null when the server itself may have answered.</summary>
    /// <param name="response">An answer without a problem document.</param>
    /// <param name="target">The root of the URL, for the message.</param>
    public static CliException? Explain(HttpResponseMessage response, string target)
    {
        var proxy = response.RequestMessage?.RequestUri is { } url ? Proxies.Between(url) : null;
        return (int)response.StatusCode switch
        {
            >= 300 and < 400 when response.Headers.Location is { } location => Final(ExitCodes.Usage,
                $"{target} redirects to {Shown(location, response)} (HTTP {(int)response.StatusCode}), and a token is not sent along " +
                    "redirects: give --url the URL that it leads to."),
            413 => Final(ExitCodes.Failed,
                $"{proxy ?? "Something"} before {target} takes no body of " +
                    $"{Text.Bytes(response.RequestMessage?.Content?.Headers.ContentLength ?? 0)} ({Describe(response)}): raise its limit " +
                    "(nginx: client_max_body_size), or go around it."),
            407 => Final(ExitCodes.Unreachable,
                $"The proxy {proxy} wants a user and a password: write them into its URL, or go without it with no_proxy."),
            401 or 403 when proxy is not null && IsPage(response) => Final(ExitCodes.Unreachable,
                $"The proxy {proxy} refuses {target} ({Describe(response)}): allow it there, or go without the proxy with no_proxy."),
            _ => null,
        };
    }

    /// <summary>The status, and who seems to have answered.</summary>
    public static string Describe(HttpResponseMessage response)
    {
        var status = $"HTTP {(int)response.StatusCode} {response.ReasonPhrase}".TrimEnd();
        return IsPage(response)
            ? $"{status}, a web page{(response.Headers.Server.Count > 0 ? $" of {response.Headers.Server}" : "")}" : status;
    }

    private static bool IsPage(HttpResponseMessage response) => response.Content.Headers.ContentType?.MediaType is "text/html";

    // Without the query, which in a presigned URL is a permission.
    private static string Shown(Uri location, HttpResponseMessage response) => response.RequestMessage?.RequestUri is { } asked
        && Uri.TryCreate(asked, location, out var absolute)
        ? absolute.GetLeftPart(UriPartial.Path)
        : location.OriginalString.Split('?')[0];

    private static CliException Final(int exitCode, string message) => new(exitCode, message) { IsComplete = true };
}
